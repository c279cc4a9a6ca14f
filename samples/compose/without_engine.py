#!/usr/bin/env python3
"""docker-compose.yml without Docker: `check` finds what would not work, `command SERVICE [OLD=NEW]…`
prints the words of a service's command, one a line, with OLD replaced by NEW."""

import json
import os
import re
import sys

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))


def load(name):
    with open(os.path.join(HERE, name)) as file:
        return yaml.safe_load(file)


def settled(text):
    """With the defaults of its ${NAME:-default} variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def option(service, name):
    found = [word.split("=", 1)[1] for word in service["command"] if word.startswith(f"-{name}=")]
    return found[0] if found else None


def findings():
    compose = load("docker-compose.yml")
    services = compose["services"]
    # A tree of sources has what images are made of; an installed sample doesn't.
    tree = os.path.isdir(os.path.join(HERE, "../../packaging"))
    for name, service in services.items():
        if "image" not in service:
            yield f"{name} has no image"
        if "build" in service and tree:
            context = os.path.join(HERE, service["build"]["context"])
            if not os.path.isfile(os.path.join(context, service["build"]["dockerfile"])):
                yield f"{name}: there is no {service['build']['dockerfile']}"
        for other in service.get("depends_on", []):
            if other not in services:
                yield f"{name} depends on {other}, which is no service"
        for volume in service.get("volumes", []):
            source = settled(volume).split(":")[0]
            if source.startswith("."):
                if not os.path.isfile(os.path.join(HERE, source)):
                    yield f"{name} mounts {source}, which is no file"
            elif source not in compose["volumes"]:
                yield f"{name} uses the volume {source}, which is not declared"
        for port in service.get("ports", []):
            found = re.fullmatch(r"[\d.]+:([\d-]+):([\d-]+)(/udp|/tcp)?", settled(port))
            if not found:
                yield f"{name}: {port} is no port of one address"
            elif "command" in service and not any(f":{found[2]}" in word for word in service["command"]):
                yield f"{name} publishes {found[2]}, where nothing listens"

    # Names in addresses are services, and something listens there.
    gateway, worker = services["gateway"], services["worker"]
    host, port = option(gateway, "orchAddr").removeprefix("http://").split(":")
    if host not in services or not option(worker, "serviceAddr").endswith(":" + port):
        yield "-orchAddr of the gateway is not where the worker listens"
    if option(worker, "serviceUrl") != option(gateway, "orchAddr"):
        yield "-serviceUrl of the worker is not how the gateway calls it"
    [target] = [one for job in load("prometheus.yml")["scrape_configs"]
                for config in job["static_configs"] for one in config["targets"]]
    host, port = target.split(":")
    if host != "gateway" or not option(gateway, "cliAddr").endswith(":" + port) or "-monitor" not in gateway["command"]:
        yield f"Prometheus reads {target}, where the gateway serves no metrics"
    [source] = load("grafana/datasource.yml")["datasources"]
    if source["type"] != "prometheus" or source["url"] != "http://prometheus:9090":
        yield "Grafana's data source is not Prometheus"
    [provider] = load("grafana/dashboards.yml")["providers"]
    mounted = [settled(volume).split(":")[1] for volume in services["grafana"]["volumes"]]
    boards = [path for path in mounted if path.startswith(provider["options"]["path"] + "/")]
    if not boards:
        yield "Grafana finds no dashboard"
    with open(os.path.join(HERE, "../grafana/rivulet.json")) as file:
        json.load(file)


def main():
    if sys.argv[1:] == ["check"]:
        found = list(findings())
        print("\n".join(found))
        sys.exit(1 if found else 0)
    if sys.argv[1:2] != ["command"] or len(sys.argv) < 3:
        sys.exit(__doc__)
    for word in load("docker-compose.yml")["services"][sys.argv[2]]["command"]:
        word = settled(word)
        for replacement in sys.argv[3:]:
            old, new = replacement.split("=", 1)
            word = re.sub(re.escape(old) + r"(?!\d)", new, word)
        print(word)


main()
