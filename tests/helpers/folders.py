"""What a folder holds, to compare before and after."""


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
