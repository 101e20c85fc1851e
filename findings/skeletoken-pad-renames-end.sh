#!/bin/bash
# skeletoken: if a tokenizer pads with </s>, setting pad_token to <pad> renames </s>, and texts end with <pad>.
#
# Expected: many causal models have no piece for padding, so their tokenizers pad with </s>. A new pad_token is one more
#   piece, and </s> stays the end of texts, as in Transformers, and in skeletoken where no padding is set.
# Seen: the setter of pad_token in base.py gives the piece of the old pad_token the new name, also in the steps that
#   follow, because "changing" the token is taken for renaming it. The vocabulary does not grow. Every text ends with
#   <pad>, id 2, and eos_token is <pad>, too. The vocabulary has no </s>, so one in a text is unknown. Training that
#   leaves out padding, as Transformers' collators do, still leaves out the ends, so the network does not learn to stop.
#   A pad token of its own is set to prevent just this.
# lmctl: has no padding in its vocabularies.
#
# 2026-11-30, skeletoken 0.6.1, tokenizers 0.23.1, transformers 5.24.0, Python 3.11, of the text "the cat":
#   pads with </s>: <s> ▁the ▁cat </s>; pad </s> 2, eos </s> 2, 5 pieces; 'the</s>': <s> ▁the </s> </s>
#   Transformers, <pad>: <s> ▁the ▁cat </s>; pad <pad> 5, eos </s> 2, 6 pieces; 'the</s>': <s> ▁the </s> </s>
#   skeletoken, no padding, <pad>: <s> ▁the ▁cat </s>; pad <pad> 5, eos </s> 2, 6 pieces; 'the</s>': <s> ▁the </s> </s>
#   skeletoken, padding </s>, <pad>: <s> ▁the ▁cat <pad>; pad <pad> 2, eos <pad> 2, 5 pieces; 'the</s>': <s> <unk> <pad>
. "$(dirname "$0")/lib.sh"
environment venv skeletoken==0.6.1 tokenizers==0.23.1 transformers==5.24.0
cat >padding.py <<'PY'
from skeletoken import TokenizerModel
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

PIECES = ["<unk>", "<s>", "</s>", "▁the", "▁cat"]


def made(**special):
    words = Tokenizer(models.WordLevel({piece: number for number, piece in enumerate(PIECES)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    words.post_processor = processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 1), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", bos_token="<s>", eos_token="</s>", **special
    )


def shown(tokenizer):
    def pieces(text):
        return " ".join(tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]))

    print(
        f"{pieces('the cat')}; pad {tokenizer.pad_token} {tokenizer.pad_token_id}, "
        f"eos {tokenizer.eos_token} {tokenizer.eos_token_id}, {len(tokenizer)} pieces; 'the</s>': {pieces('the</s>')}"
    )


print("pads with </s>: ", end="")
shown(made(pad_token="</s>"))
print("Transformers, <pad>: ", end="")
other = made(pad_token="</s>")
other.add_special_tokens({"pad_token": "<pad>"})
shown(other)
for name, special in (("no padding", {}), ("padding </s>", {"pad_token": "</s>"})):
    model = TokenizerModel.from_transformers_tokenizer(made(**special))
    model.pad_token = "<pad>"
    print(f"skeletoken, {name}, <pad>: ", end="")
    shown(model.to_transformers())
PY
export PYTHONIOENCODING=utf-8
venv/bin/python padding.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
pads with </s>: <s> ▁the ▁cat </s>; pad </s> 2, eos </s> 2, 5 pieces; 'the</s>': <s> ▁the </s> </s>
Transformers, <pad>: <s> ▁the ▁cat </s>; pad <pad> 5, eos </s> 2, 6 pieces; 'the</s>': <s> ▁the </s> </s>
skeletoken, no padding, <pad>: <s> ▁the ▁cat </s>; pad <pad> 5, eos </s> 2, 6 pieces; 'the</s>': <s> ▁the </s> </s>
skeletoken, padding </s>, <pad>: <s> ▁the ▁cat <pad>; pad <pad> 2, eos <pad> 2, 5 pieces; 'the</s>': <s> <unk> <pad>
TXT
