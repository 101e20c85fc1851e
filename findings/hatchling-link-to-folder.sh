#!/bin/bash
# hatchling: a symbolic link to a folder of the package makes the sdist leave that folder out.
#
# Expected: the sdist has the folder of the package, with or without what the link leads to; `exclude` of the link changes
#   what it says and no more. Else a warning.
# Seen: the walk follows the link at the root, and a folder that it has been in is not entered again. Names are sorted: a
#   link that comes before the package takes its folder away, one that comes after it is left out instead. `exclude` of
#   the link takes its files away and does not bring those of the package back, so that the folder is in neither place.
#   The wheel that is built from the sdist, as `python -m build` does, has no folder either. There is no message.
#   `only-include` of what belongs in it is complete.
# lmctl: pyproject.toml names each path by only-include, since the link configs leads to lmctl/configs.
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
