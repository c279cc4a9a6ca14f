"""A Dockerfile's stages as lists of (instruction, text); continued lines are joined."""

import json


class Stage:
    def __init__(self, image, name):
        self.image, self.name, self.steps = image, name, []

    def all(self, instruction):
        return [text for word, text in self.steps if word == instruction]

    def last(self, instruction):
        return (self.all(instruction) or [""])[-1]


def read(text):
    """The stages in order. Raises ValueError for what is no Dockerfile."""
    stages, line = [], ""
    for part in text.splitlines():
        if part.lstrip().startswith("#") or (not line and not part.strip()):
            continue
        line += part.strip()
        if line.endswith("\\"):
            line = line[:-1]
            continue
        word, _, rest = line.partition(" ")
        word, rest, line = word.upper(), rest.strip(), ""
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            stages.append(Stage(image.strip(), name.strip()))
        elif not stages:
            raise ValueError(f"{word} before FROM")
        else:
            stages[-1].steps.append((word, rest))
    if line:
        raise ValueError("ends in the middle of a line")
    return stages


def words(text):
    """The words of an instruction in the JSON form; None for the shell form."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) and all(isinstance(w, str) for w in found) else None


def health_command(stage):
    """The words after HEALTHCHECK … CMD."""
    return words(stage.last("HEALTHCHECK").partition("CMD ")[2])
