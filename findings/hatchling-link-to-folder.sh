#!/bin/bash
# hatchling: if a symbolic link points to a folder of the package, the sdist lacks that folder.
#
# Expected: the sdist has the folder of the package, with or without the files behind the link. `exclude` of the link
#   affects only the link. Otherwise there is a warning.
# Seen: the walk follows the link at the root, and does not enter a folder twice. Names are sorted. If the link comes
#   before the package, the package's folder is missing; if it comes after it, the link's files are missing. `exclude` of
#   the link removes its files and does not restore those of the package, so the folder is missing in both places. A wheel
#   that is built from the sdist, as by `python -m build`, has no such folder either. There is no message. With
#   `only-include`, the sdist is complete.
# lmctl: pyproject.toml names each path by only-include, because the link configs points to lmctl/configs.
#
# 2026-11-27, hatchling 1.33.0, Python 3.11, the link `data` to pkg/data: of data/a.txt and pkg/data/a.txt,
#   data first: data/a.txt; excluded: none; only-include: pkg/data/a.txt; `zdata` in its place: pkg/data/a.txt
. "$(dirname "$0")/lib.sh"
environment venv hatchling==1.33.0
sdist() { # sdist LINK SETTING: the files a.txt of an sdist of a project with that link
    rm -rf project
    mkdir -p project/pkg/data
    touch project/pkg/__init__.py project/pkg/data/a.txt
    ln -s pkg/data "project/$1"
    printf '%s\n' '[build-system]' 'requires = ["hatchling"]' 'build-backend = "hatchling.build"' '[project]' \
        'name = "pkg"' 'version = "1"' '[tool.hatch.build.targets.sdist]' "$2" >project/pyproject.toml
    (cd project && ../venv/bin/python -m hatchling build --target sdist) >build.log 2>&1 || { cat build.log; exit 2; }
    tar --list --file project/dist/pkg-1.tar.gz | sed -n 's,^pkg-1/\(.*a\.txt\)$,\1,p' | paste -sd' '
}
first=$(sdist data '') excluded=$(sdist data 'exclude = ["/data"]')
only=$(sdist data 'only-include = ["pkg"]') after=$(sdist zdata '')
echo "data first: $first; excluded: ${excluded:-none}; only-include: $only; zdata in its place: $after"
[ "$first|$excluded|$only|$after" = "data/a.txt||pkg/data/a.txt|pkg/data/a.txt" ]
