"""kubectl: objects of the stub's API by get, apply, delete, patch-like verbs, and waiting; `-o json`, `-o name` and simple jsonpaths."""
import json
import re
import subprocess

from stub_common import ETCDCTL, Api, Failure, at, read, record, standard_input, wait_for

KINDS = {"node": "nodes", "no": "nodes", "pod": "pods", "secret": "secrets", "cm": "configmaps", "configmap": "configmaps", "daemonset": "daemonsets", "ds": "daemonsets",
         "deployment": "deployments", "deploy": "deployments", "clusterrolebinding": "clusterrolebindings", "statefulset": "statefulsets", "service": "services",
         "namespace": "namespaces", "ns": "namespaces"}
GLOBAL = ("nodes", "clusterrolebindings", "namespaces", "namespace", "persistentvolumes", "storageclasses")
_WITH_VALUE = {"raw", "field-selector",
               "kubeconfig", "n", "namespace", "o", "output", "f", "filename", "timeout", "for", "l", "selector", "grace-period", "field-manager", "request-timeout",
               "server", "p",
               "type", "patch", "context", "image", "restart", "labels", "overrides", "port", "target-port"}


def kubectl(arguments):
    flags, words, rest = _parse(arguments)
    text = standard_input() if flags.get("f", flags.get("filename")) == "-" else ""
    record("kubectl", arguments, text)
    if not words:
        return 0
    verb, words = words[0], words[1:]
    if verb == "version":
        print(json.dumps({"clientVersion": {"gitVersion": "v1.36.4"}}))
        return 0
    api = Api.by_kubeconfig(flags.get("kubeconfig", "/etc/kubernetes/admin.conf"))
    if flags.get("server"):
        api.server = flags["server"]
    at(f"kubectl-{verb}:before")
    call = {"get": get, "apply": apply, "delete": delete, "cordon": cordon, "uncordon": cordon, "drain": drain, "label": label, "taint": taint, "rollout": rollout, "wait": rollout,
            "exec": execute, "annotate": label, "create": create, "run": run_pod, "expose": expose}.get(verb)
    if call is None:
        raise Failure(f'error: unknown command "{verb}" for "kubectl"')
    code = call(api, flags, words, verb=verb, text=text, rest=rest)
    at(f"kubectl-{verb}:after")
    return code or 0


def _parse(arguments):
    flags, words, left = {}, [], list(arguments)
    while left:
        word = left.pop(0)
        if word == "--":
            return flags, words, left
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and name in _WITH_VALUE and left:
            value, equals = left.pop(0), "="
        flags[name] = value if equals else "true"
    return flags, words, []


def _kind(word):
    word = word.lower()
    return KINDS.get(word, word)


def _where(kind, flags):
    return "" if kind in GLOBAL else flags.get("n", flags.get("namespace", "default"))


def _targets(words):
    """[(kind, name or None)] of "node a b", "node/a", "nodes"."""
    if words and "/" in words[0]:
        return [(_kind(word.split("/")[0]), word.split("/")[1]) for word in words]
    kind = _kind(words[0])
    return [(kind, name) for name in words[1:]] or [(kind, None)]


def get(api, flags, words, **_):
    form = flags.get("o", flags.get("output", ""))
    if flags.get("raw"):
        status, value = api.ask("GET", flags["raw"])
        if status != 200:
            raise Failure(f"Error from server ({status})")
        print(value if isinstance(value, str) else json.dumps(value))
        return 0
    items = []
    for kind, name in _targets(words):
        found = api.get(kind, _where(kind, flags), name)
        if name and found is None:
            if flags.get("ignore-not-found"):
                continue
            raise Failure(f'Error from server (NotFound): {kind} "{name}" not found')
        wanted = flags.get("field-selector", "").removeprefix("type=")
        items += [(kind, one) for one in ([found] if name else found) if wanted in ("", one.get("type"))]
    items = [(kind, _shown(one)) for kind, one in items]
    single = len(items) == 1 and _targets(words)[0][1]
    value = items[0][1] if single else {"apiVersion": "v1", "kind": "List", "items": [one for _, one in items]}
    if form == "json":
        print(json.dumps(value) if items or not single else "")
    elif form == "name":
        print("\n".join(f"{kind.rstrip('s')}/{one['metadata']['name']}" for kind, one in items))
    elif form.startswith("jsonpath="):
        print(_jsonpath(value, form.removeprefix("jsonpath=").strip("'{}")), end="")
    else:
        print("\n".join(one["metadata"]["name"] for _, one in items))
    return 0


def _shown(one):
    """Without what the stub keeps beside the object."""
    return {key: value for key, value in one.items() if key != "stub"}


def _jsonpath(value, path):
    for part in re.findall(r"[^.\[\]]+(?:\\\.[^.\[\]]+)*|\[\d+\]|\[\*\]", path.lstrip(".")):
        if part.startswith("["):
            value = value[int(part[1:-1])] if part != "[*]" else value
        else:
            value = (value or {}).get(part.replace("\\.", "."), "")
    return value if isinstance(value, str) else json.dumps(value)


def apply(api, flags, _, text="", **__):
    import yaml
    source = flags.get("f", flags.get("filename"))
    body = text if source == "-" else read(source)
    at("kubectl-apply:middle")
    for one in yaml.safe_load_all(body):
        if not one:
            continue
        kind = _kind(one["kind"].lower())
        kind = kind if kind.endswith("s") else kind + "s"
        namespace = "" if kind in GLOBAL else one["metadata"].get("namespace", "default")
        # Of everything one, and ready at once.
        counts = ("desiredNumberScheduled currentNumberScheduled updatedNumberScheduled numberReady numberAvailable replicas readyReplicas updatedReplicas "
                  "availableReplicas observedGeneration").split()
        one["metadata"].setdefault("generation", 1)
        one.setdefault("spec", {}).setdefault("replicas", 1)
        one.setdefault("status", {"ready": True} | dict.fromkeys(counts, 1))
        api.put(kind, namespace, one["metadata"]["name"], one)
        print(f"{one['kind'].lower()}/{one['metadata']['name']} serverside-applied")


def delete(api, flags, words, **_):
    for kind, name in _targets(words):
        try:
            api.delete(kind, _where(kind, flags), name)
            print(f'{kind.rstrip("s")} "{name}" deleted')
        except Failure as failed:
            if not (flags.get("ignore-not-found") and "NotFound" in failed.text):
                raise


def _node(api, name):
    node = api.get("nodes", "", name)
    if node is None:
        raise Failure(f'Error from server (NotFound): nodes "{name}" not found')
    return node


def cordon(api, _, words, verb="", **__):
    for name in words:
        node = _node(api, name)
        if verb == "cordon":
            node["spec"]["unschedulable"] = True
        else:
            node["spec"].pop("unschedulable", None)
        api.put("nodes", "", name, node)
        print(f"node/{name} {verb}ed")


def drain(api, flags, words, **_):
    cordon(api, flags, words, verb="cordon")
    at("kubectl-drain:middle")
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in _node(api, words[0])["status"].get("conditions", []))
    if not ready and flags.get("grace-period") != "0":
        # Nobody there ends its pods.
        raise Failure(f"There are pending nodes to be drained:\n {words[0]}\nerror: error when waiting for pod \"web-0\" in namespace \"default\" to terminate: "
                      f"global timeout reached: {flags.get('timeout')}")
    print(f"node/{words[0]} drained")


def label(api, _, words, **__):
    names = [word for word in words if "=" not in word and not word.endswith("-") and word not in ("node", "nodes")]
    for name in names:
        name = name.removeprefix("node/").removeprefix("nodes/")
        node = _node(api, name)
        for word in words:
            key, equals, value = word.partition("=")
            if equals:
                node["metadata"].setdefault("labels", {})[key] = value
            elif word.endswith("-"):
                node["metadata"].get("labels", {}).pop(word[:-1], None)
        api.put("nodes", "", name, node)
        print(f"node/{name} labeled")


def taint(api, _, words, **__):
    words = [word for word in words if word not in ("node", "nodes")]
    node = _node(api, words[0].removeprefix("node/"))
    taints = node["spec"].get("taints") or []
    for word in words[1:]:
        gone = word.endswith("-")
        key, _, effect = word.rstrip("-").partition(":")
        key, _, value = key.partition("=")
        taints = [t for t in taints if not (t["key"] == key and (not effect or t["effect"] == effect))]
        if not gone:
            taints.append({"key": key, "effect": effect} | ({"value": value} if value else {}))
    node["spec"]["taints"] = taints
    api.put("nodes", "", node["metadata"]["name"], node)


def rollout(api, flags, words, **_):
    words = [word for word in words if word not in ("status", "restart")]

    def fine(one):
        conditions = one.get("status", {}).get("conditions")
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions) if conditions else one.get("status", {}).get("ready")

    def ready():
        for kind, name in _targets(words):
            found = api.get(kind, _where(kind, flags), name)
            if found is None:
                raise Failure(f'Error from server (NotFound): {kind} "{name}" not found')
            if not all(fine(one) for one in ([found] if name else found)):
                return False
        return True
    seconds = float(re.sub(r"[^0-9.]", "", flags.get("timeout", "30s")) or 30)
    try:
        wait_for(ready, seconds, " ".join(words))
    except Failure as failed:
        if "timed out" not in failed.text:
            raise
        late = [f"{kind}/{one['metadata']['name']}" for kind, name in _targets(words) for one in api.get(kind, _where(kind, flags))
                if name in (None, one["metadata"]["name"]) and not fine(one)]
        raise Failure("\n".join(f"error: timed out waiting for the condition on {one}" for one in late)) from None
    print(f"{' '.join(words)} successfully rolled out")


def create(api, _, words, **__):
    kind, name = _kind(words[0]), words[1]
    api.put(kind if kind.endswith("s") else kind + "s", "", name, {"metadata": {"name": name}})
    print(f"{words[0]}/{name} created")


def run_pod(api, flags, words, **_):
    """A pod that is ready at once, on the node of its overrides; its labels are app=NAME."""
    node = json.loads(flags.get("overrides", "{}")).get("spec", {}).get("nodeName", "")
    _node(api, node)
    api.put("pods", _where("pods", flags), words[0], {"metadata": {"name": words[0]}, "spec": {"nodeName": node}, "status": {"ready": True}})
    print(f"pod/{words[0]} created")


def expose(api, flags, words, **_):
    api.put("services", _where("services", flags), words[1], {"metadata": {"name": words[1]}, "spec": {"port": flags.get("port")}})
    print(f"service/{words[1]} exposed")


def execute(api, flags, words, rest=(), **_):
    """In etcd's pod the same program, beside it. In others what the network of a cluster would answer: names if there is a CoreDNS, a Service's page
    if there are the Service, its pod, and a CNI."""
    if rest[0] == "nslookup":
        return 0 if api.get("deployments", "kube-system", "coredns") else 1
    if rest[0] == "wget":
        namespace = _where("pods", flags)
        whole = api.get("services", namespace, "server") and api.get("pods", namespace, "server") and api.get("daemonsets", "kube-flannel")
        print("here") if whole else None
        return 0 if whole else 1
    return subprocess.run([ETCDCTL if word == "etcdctl" else word for word in rest], check=False).returncode
