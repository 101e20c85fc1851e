"""Scripts as character ranges, to be put between [ and ] in a regular expression."""

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9f"
# Thai, Lao, Tibetan, Myanmar, Khmer.
SOUTH_EAST_ASIAN = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"
WITHOUT_SPACES = HAN + KANA + SOUTH_EAST_ASIAN
# The syllables of Korean, which is written with spaces.
HANGUL = "\uac00-\ud7a3"
