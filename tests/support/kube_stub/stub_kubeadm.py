"""kubeadm: init, join, reset, token, certs, upgrade, config, version; with the texts and exit codes of 1.36 in the places that matter."""
import base64
import hashlib
import ipaddress
import os
import secrets
import shutil
import subprocess
import sys
import time

import stub_pki
import stub_system
from stub_common import ETC, ETCDCTL, PKI, Api, Failure, address_of_default_device, at, host_name, read, read_state, record, record_secret, run, standard_input, wait_for, write

ETCD_DATA = "/var/lib/etcd"
CERTS_LIVE_S = 7200


def kubeadm(arguments):
    record("kubeadm", arguments)
    words, flags = _parse(arguments)
    verb = " ".join(words[:4])
    for name, call in (("init phase upload-certs", upload_certs), ("init phase certs", init_phase_certs),
                       ("init phase etcd local", init_phase_etcd), ("init", init), ("join", join), ("reset", reset),
                       ("token create", token_create), ("token list", token_list), ("token delete", token_delete), ("config validate", config_validate),
                       ("config images", config_images), ("certs certificate-key", certificate_key), ("certs check-expiration", check_expiration),
                       ("certs renew", renew), ("upgrade plan", upgrade_plan), ("upgrade apply", upgrade_apply), ("upgrade node", upgrade_node),
                       ("version", version)):
        if verb == name or verb.startswith(name + " "):
            return call(flags, words[len(name.split()):])
    raise Failure(f"Error: unknown command \"{verb}\" for \"kubeadm\"")


def _parse(arguments):
    """Words, and flags: --name=value, --name value; a flag alone is "true"."""
    words, flags, left = [], {}, list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            words.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and name in _WITH_VALUE and left:
            value, equals = left.pop(0), "="
        flags[name] = value if equals else "true"
    return words, flags


_WITH_VALUE = {"config", "certificate-key", "ttl", "kubeconfig", "o", "output", "ignore-preflight-errors", "description", "cert-dir", "cri-socket"}


def installed_version():
    return "v" + read_state("packages", {}).get("kubeadm", "0.0.0").split("-")[0]


def documents(flags):
    """Kind -> document of --config."""
    import yaml
    path = flags.get("config")
    text = standard_input() if path == "-" else read(path)
    return {one["kind"]: one for one in yaml.safe_load_all(text) if one}


def version(flags, _):
    print(installed_version() if flags.get("o", flags.get("output")) == "short" else f"kubeadm version: {installed_version()}")
    return 0


def config_validate(flags, _):
    documents(flags)
    return 0


def config_images(*_):
    print(f"[config/images] Pulled registry.k8s.io/kube-apiserver:{installed_version()}")
    return 0


def certificate_key(*_):
    print(secrets.token_hex(32))
    return 0


# ---- init ----

def _preflight(flags, control_plane):
    problems = {}
    for name, path in (("FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml", f"{ETC}/manifests/kube-apiserver.yaml"),
                       ("FileAvailable--etc-kubernetes-kubelet.conf", f"{ETC}/kubelet.conf")):
        if os.path.exists(path):
            problems[name] = f"{path} already exists"
    if control_plane:
        if run("ss", "-Hltn", "sport = :6443").stdout.strip():
            problems["Port-6443"] = "Port 6443 is in use"
        if os.path.isdir(ETCD_DATA) and os.listdir(ETCD_DATA):
            problems["DirAvailable--var-lib-etcd"] = f"{ETCD_DATA} is not empty"
    for ignored in flags.get("ignore-preflight-errors", "").split(","):
        problems.pop(ignored, None)
    if problems:
        lines = "".join(f"\t[ERROR {name}]: {text}\n" for name, text in problems.items())
        raise Failure("error execution phase preflight: [preflight] Some fatal errors occurred:\n" + lines +
                      "[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`", 2)


def _cluster_names(cluster, address):
    first_service = str(next(ipaddress.ip_network(cluster.get("networking", {}).get("serviceSubnet", "10.96.0.0/12")).hosts()))
    names = {"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1", host_name(), address, first_service}
    names.update(cluster.get("apiServer", {}).get("certSANs", []))
    names.add(cluster["controlPlaneEndpoint"].rsplit(":", 1)[0].strip("[]"))
    return names


def _days(cluster):
    return max(1, int(cluster.get("certificateValidityPeriod", "8760h").split("h")[0]) // 24)


def _local(document):
    local = document.get("localAPIEndpoint") or {}
    return local.get("advertiseAddress") or address_of_default_device(), int(local.get("bindPort", 6443))


def _manifests(cluster, address, port, members):
    external = cluster.get("etcd", {}).get("external")
    files = {"ca": f"{PKI}/etcd/ca.crt", "cert": f"{PKI}/apiserver-etcd-client.crt", "key": f"{PKI}/apiserver-etcd-client.key", "servers": "https://127.0.0.1:2379"}
    if external:
        files = {"ca": external["caFile"], "cert": external["certFile"], "key": external["keyFile"], "servers": ",".join(external["endpoints"])}
    else:
        name = host_name()
        _manifest("etcd", ["etcd", f"--name={name}", f"--data-dir={ETCD_DATA}", f"--advertise-client-urls=https://{address}:2379",
                           f"--listen-client-urls=https://127.0.0.1:2379,https://{address}:2379", f"--listen-peer-urls=https://{address}:2380",
                           f"--initial-advertise-peer-urls=https://{address}:2380", "--client-cert-auth=true", "--peer-client-cert-auth=true",
                           f"--cert-file={PKI}/etcd/server.crt", f"--key-file={PKI}/etcd/server.key", f"--trusted-ca-file={PKI}/etcd/ca.crt",
                           f"--peer-cert-file={PKI}/etcd/peer.crt", f"--peer-key-file={PKI}/etcd/peer.key", f"--peer-trusted-ca-file={PKI}/etcd/ca.crt",
                           f"--initial-cluster={members or f'{name}=https://{address}:2380'}", f"--initial-cluster-state={'existing' if members else 'new'}"])
    _manifest("kube-apiserver", ["kube-apiserver", f"--advertise-address={address}", f"--secure-port={port}", f"--tls-cert-file={PKI}/apiserver.crt",
                                 f"--tls-private-key-file={PKI}/apiserver.key", f"--client-ca-file={PKI}/ca.crt", f"--etcd-servers={files['servers']}",
                                 f"--etcd-cafile={files['ca']}", f"--etcd-certfile={files['cert']}", f"--etcd-keyfile={files['key']}",
                                 f"--stub-version={cluster['kubernetesVersion']}"])
    for other in ("kube-controller-manager", "kube-scheduler"):
        _manifest(other, [other, f"--stub-version={cluster['kubernetesVersion']}"])


def _manifest(name, command):
    lines = "".join(f"    - {word}\n" for word in command)
    write(f"{ETC}/manifests/{name}.yaml", f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  namespace: kube-system\nspec:\n  containers:\n"
                                          f"  - name: {name}\n    command:\n{lines}{stub_system.image_line(name)}", 0o600)


def _kubeconfigs(server, days, every):
    for name, (user, group) in stub_pki.KUBECONFIGS.items():
        if name != "super-admin" or every:
            stub_pki.kubeconfig(name, user, group, server, days)


def _start_kubelet(registration):
    from stub_common import write_state
    write_state("registration", registration)
    write("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n")
    run("systemctl", "restart", "kubelet")


def _wait_ready(path):
    api = Api.by_kubeconfig(path)
    wait_for(api.ready, 30, "the API server")
    return api


def init(flags, _):
    docs = documents(flags)
    own, cluster = docs["InitConfiguration"], docs["ClusterConfiguration"]
    address, port = _local(own)
    _preflight(flags, True)
    at("init:before")
    print(f"[init] Using Kubernetes version: {cluster['kubernetesVersion']}\n[preflight] Running pre-flight checks\n[certs] Using certificateDir folder \"{PKI}\"")
    days = _days(cluster)
    stub_pki.make_authorities()
    stub_pki.make_leaves(_cluster_names(cluster, address), days, "external" not in cluster.get("etcd", {}))
    local, endpoint = f"https://{address}:{port}", f"https://{cluster['controlPlaneEndpoint']}"
    _kubeconfigs(endpoint, days, True)
    stub_pki.kubeconfig("kubelet", f"system:node:{host_name()}", "system:nodes", local, days)
    at("init:kubeconfigs")
    _manifests(cluster, address, port, "")
    _start_kubelet(own.get("nodeRegistration", {}))
    at("init:after-etcd")
    print(f"[wait-control-plane] Waiting for the kubelet to boot up the control plane as static Pods from directory \"{ETC}/manifests\"")
    # As the real one, which talks to the address of this machine until the cluster stands.
    admin = Api.by_kubeconfig(f"{ETC}/super-admin.conf")
    admin.server = local
    wait_for(admin.ready, 30, "the API server")
    import yaml
    admin.put("configmaps", "kube-system", "kubeadm-config", {"metadata": {"name": "kubeadm-config", "namespace": "kube-system"},
                                                             "data": {"ClusterConfiguration": yaml.safe_dump(cluster)}})
    for name, key, config in (("kubelet-config", "kubelet", _kubelet_config(docs.get("KubeletConfiguration", {}), cluster)),
                              ("kube-proxy", "config.conf", _proxy_config(docs.get("KubeProxyConfiguration", {}), cluster))):
        admin.put("configmaps", "kube-system", name, {"metadata": {"name": name, "namespace": "kube-system"}, "data": {key: yaml.safe_dump(config)}})
    admin.put("configmaps", "kube-public", "cluster-info", {"metadata": {"name": "cluster-info"}, "data": {"ca": read(f"{PKI}/ca.crt")}})
    admin.put("clusterrolebindings", "", "kubeadm:cluster-admins", {"metadata": {"name": "kubeadm:cluster-admins"}})
    stub_pki.issue("ca", "/var/lib/stub/nodes", "/O=system:nodes/CN=system:node:stub", (), days)
    admin.put("configmaps", "kube-system", "stub-node-signer", {"metadata": {"name": "stub-node-signer"},
                                                               "data": {"cert": read("/var/lib/stub/nodes.crt"), "key": read("/var/lib/stub/nodes.key")}})
    if flags.get("upload-certs") == "true":
        _upload_certs(admin, own.get("certificateKey") or secrets.token_hex(32), "external" in cluster.get("etcd", {}))
    _mark_control_plane(admin, own.get("nodeRegistration", {}))
    for token in own.get("bootstrapTokens") or [{"token": _new_token(), "ttl": "24h0m0s"}]:
        _put_token(admin, token.get("token") or _new_token(), token.get("ttl", "24h0m0s"))
    for kind, name in (("daemonsets", "kube-proxy"), ("deployments", "coredns")):
        admin.put(kind, "kube-system", name, {"metadata": {"name": name, "namespace": "kube-system"}, "status": {"ready": True}})
    at("init:after")
    print("\nYour Kubernetes control-plane has initialized successfully!\n\nThen you can join any number of worker nodes by running the following on each as root:\n")
    print(f"kubeadm join {cluster['controlPlaneEndpoint']} --token HIDDEN \\\n\t--discovery-token-ca-cert-hash {stub_pki.ca_hash(read(f'{PKI}/ca.crt'))}")
    return 0


def _kubelet_config(own, cluster):
    """With what the real one fills in, zeros too."""
    services = ipaddress.ip_network(cluster.get("networking", {}).get("serviceSubnet", "10.96.0.0/12"))
    return {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "authentication": {
        "anonymous": {"enabled": False}, "webhook": {"cacheTTL": "0s", "enabled": True}, "x509": {"clientCAFile": f"{PKI}/ca.crt"}},
        "authorization": {"mode": "Webhook", "webhook": {"cacheAuthorizedTTL": "0s", "cacheUnauthorizedTTL": "0s"}}, "cgroupDriver": "systemd",
        "clusterDNS": [str(services[10])], "clusterDomain": "cluster.local", "containerRuntimeEndpoint": "", "cpuManagerReconcilePeriod": "0s",
        "crashLoopBackOff": {}, "healthzBindAddress": "127.0.0.1", "healthzPort": 10248, "imageMaximumGCAge": "0s",
        "logging": {"flushFrequency": 0, "options": {"json": {"infoBufferSize": "0"}, "text": {"infoBufferSize": "0"}}, "verbosity": 0},
        "memorySwap": {}, "nodeStatusReportFrequency": "0s", "rotateCertificates": True, "shutdownGracePeriod": "0s", "staticPodPath": f"{ETC}/manifests",
        "syncFrequency": "0s"} | own


def _proxy_config(own, cluster):
    return {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "bindAddress": "0.0.0.0", "bindAddressHardFail": False,
            "clientConnection": {"acceptContentTypes": "", "burst": 0, "kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf", "qps": 0},
            "clusterCIDR": cluster.get("networking", {}).get("podSubnet", ""), "configSyncPeriod": "0s",
            "conntrack": {"maxPerCore": None, "min": None, "tcpEstablishedTimeout": None}, "enableProfiling": False, "hostnameOverride": "", "mode": "",
            "nodePortAddresses": None, "winkernel": {"enableDSR": False, "networkName": ""}} | own


def init_phase_certs(flags, words):
    docs = documents(flags) if flags.get("config") else {}
    phase = words[0] if words else "all"
    if phase == "all":
        stub_pki.make_authorities()
        address, _ = _local(docs["InitConfiguration"])
        stub_pki.make_leaves(_cluster_names(docs["ClusterConfiguration"], address), _days(docs["ClusterConfiguration"]))
    elif phase in ("ca", "front-proxy-ca", "etcd-ca", "sa"):
        stub_pki.make_authorities([{"etcd-ca": "etcd/ca"}.get(phase, phase)])
    elif phase in ("etcd-server", "etcd-peer", "etcd-healthcheck-client", "apiserver-etcd-client"):
        cluster = docs["ClusterConfiguration"]
        local = cluster.get("etcd", {}).get("local", {})
        names = {"localhost", "127.0.0.1", host_name(), _local(docs["InitConfiguration"])[0], *local.get(f"{phase.removeprefix('etcd-')}CertSANs", [])}
        if not os.path.exists(f"{PKI}/etcd/ca.key"):
            raise Failure(f"error execution phase certs/{phase}: couldn't load CA certificate: couldn't load etcd/ca certificate authority from {PKI}")
        stub_pki.issue("etcd/ca", f"{PKI}/{phase}" if phase.startswith("apiserver") else f"{PKI}/etcd/{phase.removeprefix('etcd-')}", f"/CN=kube-{phase}",
                       names if phase in ("etcd-server", "etcd-peer") else (), _days(cluster))
    else:
        raise Failure(f'invalid subcommand "{phase}"')
    return 0


def init_phase_etcd(flags, _):
    """A static pod by `etcd.local` of the configuration, whose arguments win over kubeadm's own."""
    docs = documents(flags)
    address, _ = _local(docs["InitConfiguration"])
    arguments = {"data-dir": ETCD_DATA, "client-cert-auth": "true", "peer-client-cert-auth": "true", "cert-file": f"{PKI}/etcd/server.crt",
                 "key-file": f"{PKI}/etcd/server.key", "trusted-ca-file": f"{PKI}/etcd/ca.crt", "peer-cert-file": f"{PKI}/etcd/peer.crt",
                 "peer-key-file": f"{PKI}/etcd/peer.key", "peer-trusted-ca-file": f"{PKI}/etcd/ca.crt", "name": host_name(),
                 "initial-cluster": f"{host_name()}=https://{address}:2380"}
    arguments |= {one["name"]: one["value"] for one in docs["ClusterConfiguration"]["etcd"]["local"].get("extraArgs", [])}
    at("etcd:before")
    _manifest("etcd", ["etcd", *(f"--{name}={value}" for name, value in arguments.items())])
    print(f"[etcd] Creating static Pod manifest for local etcd in \"{ETC}/manifests\"")
    return 0


def _mark_control_plane(api, registration):
    node = wait_for(lambda: api.get("nodes", "", host_name()), 20, "the Node object")
    node["metadata"].setdefault("labels", {})["node-role.kubernetes.io/control-plane"] = ""
    taints = registration.get("taints")
    node["spec"]["taints"] = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}] if taints is None else taints
    api.put("nodes", "", host_name(), node)


# ---- tokens and uploaded certificates ----

def _new_token():
    return f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"


def _seconds(text):
    """Of a duration in Go's writing: "15m0s", "24h"."""
    total, number = 0, ""
    for letter in text:
        if letter.isdigit():
            number += letter
        else:
            total += int(number or 0) * {"h": 3600, "m": 60, "s": 1}[letter]
            number = ""
    return total


def _put_token(api, token, ttl, description=""):
    identity, secret = token.split(".")
    record_secret(token)
    api.put("secrets", "kube-system", f"bootstrap-token-{identity}",
            {"metadata": {"name": f"bootstrap-token-{identity}", "namespace": "kube-system"}, "type": "bootstrap.kubernetes.io/token",
             "data": {"token-id": base64.b64encode(identity.encode()).decode()}, "stub": {"secret": secret, "expires": time.time() + _seconds(ttl), "description": description}})


def _admin(flags):
    return Api.by_kubeconfig(flags.get("kubeconfig", f"{ETC}/admin.conf"))


def token_create(flags, words):
    api = _admin(flags)
    token = words[0] if words else _new_token()
    at("token:before")
    _put_token(api, token, flags.get("ttl", "24h0m0s"), flags.get("description", ""))
    if flags.get("print-join-command") == "true":
        endpoint = api.server.removeprefix("https://")
        print(f"kubeadm join {endpoint} --token {token} --discovery-token-ca-cert-hash {stub_pki.ca_hash(read(f'{PKI}/ca.crt'))} ")
    else:
        print(token)
    return 0


def token_list(flags, _):
    import json
    as_json = flags.get("o", flags.get("output")) == "json"
    if not as_json:
        print("TOKEN                     TTL         EXPIRES                USAGES                   DESCRIPTION   EXTRA GROUPS")
    now = time.time()
    for secret in _admin(flags).get("secrets", "kube-system"):
        if secret["metadata"]["name"].startswith("bootstrap-token-") and secret["stub"]["expires"] > now:
            token = f"{secret['metadata']['name'].removeprefix('bootstrap-token-')}.{secret['stub']['secret']}"
            left = int(secret["stub"]["expires"] - now)
            print(json.dumps({"kind": "BootstrapToken", "token": token, "description": secret["stub"]["description"]}) if as_json else
                  f"{token}   {left // 60}m         {int(secret['stub']['expires'])}   authentication,signing   {secret['stub']['description'] or '<none>'}   system:bootstrappers")
    return 0


def token_delete(flags, words):
    api = _admin(flags)
    for token in words:
        api.delete("secrets", "kube-system", f"bootstrap-token-{token.split('.')[0]}")
        print(f"bootstrap token \"{token.split('.')[0]}\" deleted")
    return 0


def _upload_certs(api, key, external=False):
    """With an external etcd the client certificate of it travels, too; kubeadm knows of one by a file only."""
    if len(key) != 64:
        raise Failure("error execution phase upload-certs: the encryption key must have 32 bytes")
    record_secret(key)
    client = ["apiserver-etcd-client.crt", "apiserver-etcd-client.key"] if external else []
    shared = [name for name in [*stub_pki.SHARED, *client] if os.path.exists(f"{PKI}/{name}")]
    api.put("secrets", "kube-system", "kubeadm-certs",
            {"metadata": {"name": "kubeadm-certs", "namespace": "kube-system"}, "data": {name.replace("/", "-"): "" for name in shared},
             "stub": {"key": hashlib.sha256(key.encode()).hexdigest(), "files": {name: read(f"{PKI}/{name}") for name in shared},
                      "expires": time.time() + CERTS_LIVE_S}})


def upload_certs(flags, _):
    key, external = flags.get("certificate-key"), False
    if flags.get("config"):
        if key:
            raise Failure("can not mix '--config' with arguments [certificate-key]")
        docs = documents(flags)
        key, external = docs.get("InitConfiguration", {}).get("certificateKey"), "external" in docs.get("ClusterConfiguration", {}).get("etcd", {})
    key = key or secrets.token_hex(32)
    _upload_certs(_admin(flags), key, external)
    print(f"[upload-certs] Storing the certificates in Secret \"kubeadm-certs\" in the \"kube-system\" Namespace\n[upload-certs] Using certificate key:\n{key}")
    return 0


# ---- join ----

def join(flags, _):
    own = documents(flags)["JoinConfiguration"]
    control_plane = own.get("controlPlane")
    discovery = own["discovery"]["bootstrapToken"]
    _preflight(flags, control_plane is not None)
    at("join:before")
    print("[preflight] Running pre-flight checks")
    api, cluster = _discover(discovery)
    registration = own.get("nodeRegistration", {})
    if control_plane is None:
        _join_worker(api, discovery, registration)
    else:
        _join_control_plane(api, cluster, control_plane, registration)
    at("join:after")
    print("\nThis node has joined the cluster:\n* Certificate signing request was sent to apiserver and a response was received.")
    return 0


def _discover(discovery):
    api = Api.by_token(discovery["apiServerEndpoint"], discovery["token"])
    status, info = api.ask("GET", "/cluster-info")
    if status != 200 or info is None:
        raise Failure("error execution phase preflight: couldn't validate the identity of the API Server: failed to request the cluster-info ConfigMap: "
                      f"{status} {info}")
    hashes = discovery.get("caCertHashes") or []
    if hashes and stub_pki.ca_hash(info["data"]["ca"]) not in hashes:
        raise Failure("error execution phase preflight: couldn't validate the identity of the API Server: cluster CA found in cluster-info ConfigMap is invalid: "
                      "none of the public keys are pinned")
    status, config = api.ask("GET", "/stub/configmaps/kube-system/kubeadm-config")
    if status != 200:
        identity = discovery["token"].split(".")[0]
        raise Failure("error execution phase preflight: couldn't validate the identity of the API Server: could not find a JWS signature in the cluster-info "
                      f"ConfigMap for token ID \"{identity}\"")
    import yaml
    write(f"{PKI}/ca.crt", info["data"]["ca"])
    return api, yaml.safe_load(config["data"]["ClusterConfiguration"])


def _join_worker(api, discovery, registration):
    # The signing of the real one's request: the stub's API has no key, so the certificate comes from a control plane's CA by the API.
    status, signed = api.ask("GET", "/stub/configmaps/kube-system/stub-node-signer")
    if status != 200:
        raise Failure(f"error execution phase kubelet-start: {status}")
    stub_pki.write_kubeconfig("kubelet", f"system:node:{host_name()}", f"https://{discovery['apiServerEndpoint']}", read(f"{PKI}/ca.crt"),
                              signed["data"]["cert"], signed["data"]["key"])
    _start_kubelet(registration)
    node_api = Api.by_kubeconfig(f"{ETC}/kubelet.conf")
    wait_for(lambda: node_api.get("nodes", "", host_name()), 20, "the Node object")


def _join_control_plane(api, cluster, control_plane, registration):
    status, certs = api.ask("GET", "/stub/secrets/kube-system/kubeadm-certs")
    if status != 200 or certs["stub"]["expires"] < time.time():
        raise Failure("error execution phase control-plane-prepare/download-certs: error downloading certs: error downloading the secret: "
                      "Secret \"kubeadm-certs\" was not found in the \"kube-system\" Namespace. This Secret might have expired.")
    if certs["stub"]["key"] != hashlib.sha256((control_plane.get("certificateKey") or "").encode()).hexdigest():
        raise Failure("error execution phase control-plane-prepare/download-certs: error downloading certs: error decoding secret data with provided key: "
                      "cipher: message authentication failed")
    for name, text in certs["stub"]["files"].items():
        write(f"{PKI}/{name}", text, 0o600 if name.endswith(".key") else 0o644)
    address, port = _local(control_plane)
    days = _days(cluster)
    external = "external" in cluster.get("etcd", {})
    stub_pki.make_leaves(_cluster_names(cluster, address), days, not external)
    endpoint, local = f"https://{cluster['controlPlaneEndpoint']}", f"https://{address}:{port}"
    _kubeconfigs(endpoint, days, False)
    stub_pki.kubeconfig("kubelet", f"system:node:{host_name()}", "system:nodes", local, days)
    at("join:prepared")
    members = "" if external else _add_member(api, address)
    at("join:after-member")
    _manifests(cluster, address, port, members)
    _start_kubelet(registration)
    if not external:
        wait_for(lambda: _promoted(_endpoints(api), f"https://{address}:2380"), 40, "etcd's new member is in sync")
    admin = Api.by_kubeconfig(f"{ETC}/admin.conf")
    admin.server = local
    wait_for(admin.ready, 30, "the API server")
    _mark_control_plane(admin, registration)


def _etcdctl(endpoints, *arguments):
    done = subprocess.run([ETCDCTL, f"--endpoints={endpoints}", f"--cacert={PKI}/etcd/ca.crt", f"--cert={PKI}/etcd/healthcheck-client.crt",
                           f"--key={PKI}/etcd/healthcheck-client.key", *arguments], capture_output=True, text=True, env=os.environ | {"ETCDCTL_API": "3"},
                          timeout=30, check=False)
    if done.returncode != 0:
        raise Failure(f"error execution phase etcd-join: error creating local etcd static pod manifest file: {done.stderr.strip()}")
    return done.stdout


def _endpoints(api):
    """Of etcd on the control planes there are."""
    nodes = [n for n in api.get("nodes") if "node-role.kubernetes.io/control-plane" in n["metadata"].get("labels", {}) and n["metadata"]["name"] != host_name()]
    return ",".join(f"https://{n['status']['addresses'][0]['address']}:2379" for n in nodes)


def _members(endpoints):
    """(id, name, peer URL) of each."""
    return [[part.strip() for part in line.split(",")][0:1] + [part.strip() for part in line.split(",")][2:4]
            for line in _etcdctl(endpoints, "member", "list").splitlines()]


def _added(endpoints, own):
    """As the real one, it asks again while etcd has not yet been whole for five seconds."""
    try:
        _etcdctl(endpoints, "member", "add", host_name(), "--learner", f"--peer-urls={own}")
    except Failure as failed:
        if any(part in failed.text for part in ("unhealthy cluster", "not enough started members", "too many learner members")):
            return False
        raise
    return True


def _add_member(api, address):
    """"a=https://...,b=https://..." with the new one; an own entry that never started is taken as it is, as the real one does."""
    endpoints, own = _endpoints(api), f"https://{address}:2380"
    if own not in [peer for _, _, peer in _members(endpoints)]:
        wait_for(lambda: _added(endpoints, own), 40, "etcd takes a member")
    return ",".join(f"{name or host_name()}={peer}" for _, name, peer in _members(endpoints))


def _promoted(endpoints, own):
    """A learner has no vote: a machine that dies before this costs etcd nothing."""
    identity = next(identity for identity, _, peer in _members(endpoints) if peer == own)
    try:
        _etcdctl(endpoints, "member", "promote", identity)
    except Failure as failed:
        if "can only promote a learner member" not in failed.text:
            raise
        return "in sync" not in failed.text    # Else it is one with a vote already.
    return True


# ---- reset ----

def reset(*_):
    at("reset:before")
    print("[reset] Reading configuration from the cluster...")
    if os.path.exists(f"{ETC}/manifests/etcd.yaml") and os.path.exists(f"{ETC}/admin.conf"):
        try:
            api = Api.by_kubeconfig(f"{ETC}/admin.conf")
            endpoints = _endpoints(api)
            for identity, name, _ in _members(endpoints) if endpoints else ():
                if name == host_name():
                    _etcdctl(endpoints, "member", "remove", identity)
        except (Failure, subprocess.TimeoutExpired) as failed:
            print(f"W: [reset] Failed to remove etcd member: {failed}, please manually remove this etcd member using etcdctl", file=sys.stderr)
    run("systemctl", "stop", "kubelet")
    stub_system.end_pods()
    for path in (f"{ETC}/manifests", PKI, ETCD_DATA, "/var/lib/kubelet"):
        if os.path.isdir(path):
            for entry in os.listdir(path):
                full = os.path.join(path, entry)
                shutil.rmtree(full) if os.path.isdir(full) and not os.path.islink(full) else os.unlink(full)
    for name in [*stub_pki.KUBECONFIGS, "kubelet", "bootstrap-kubelet"]:
        if os.path.exists(f"{ETC}/{name}.conf"):
            os.unlink(f"{ETC}/{name}.conf")
    at("reset:after")
    print("[reset] Deleting contents of directories: [/etc/kubernetes/manifests /var/lib/kubelet /etc/kubernetes/pki]")
    return 0


# ---- certificates ----

def _leaves():
    for folder, _, files in os.walk(PKI):
        for name in sorted(files):
            path = os.path.join(folder, name)
            if name.endswith(".crt") and os.path.relpath(path, PKI).removesuffix(".crt") not in stub_pki.AUTHORITIES:
                yield path


def check_expiration(*_):
    print("CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED")
    for path in _leaves():
        print(os.path.relpath(path, PKI).removesuffix(".crt").replace("/", "-"), run("openssl", "x509", "-enddate", "-noout", "-in", path).stdout.strip())
    return 0


def renew(flags, _):
    import yaml
    at("renew:before")
    _renew(yaml.safe_load(_admin(flags).get("configmaps", "kube-system", "kubeadm-config")["data"]["ClusterConfiguration"]))
    at("renew:after")
    print("Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.")
    return 0


def _renew(cluster):
    stub_pki.make_leaves(_cluster_names(cluster, address_of_default_device()), _days(cluster), "external" not in cluster.get("etcd", {}))
    _kubeconfigs(f"https://{cluster['controlPlaneEndpoint']}", _days(cluster), os.path.exists(f"{ETC}/super-admin.conf"))


# ---- upgrade ----

def upgrade_plan(flags, words):
    import yaml
    at("upgrade-plan:before")
    _check_skew(yaml.safe_load(_admin(flags).get("configmaps", "kube-system", "kubeadm-config")["data"]["ClusterConfiguration"])["kubernetesVersion"],
                words[0] if words else installed_version())
    print(f"[upgrade/versions] Target version: {installed_version()}")
    return 0


def upgrade_apply(flags, words):
    import yaml
    wanted = (words[0] if words else documents(flags).get("UpgradeConfiguration", {}).get("apply", {}).get("kubernetesVersion")) or installed_version()
    if wanted != installed_version():
        raise Failure(f"[upgrade/version] FATAL: the --version argument is invalid due to these errors:\n\n\t- Specified version to upgrade to \"{wanted}\" "
                      f"is not this kubeadm's ({installed_version()})")
    if "yes" not in flags and "y" not in flags:
        print("[upgrade] Are you sure you want to proceed? [y/N]: ", end="")
        if standard_input().strip().lower() not in ("y", "yes"):
            raise Failure("won't proceed; the user didn't answer (Y|y) in order to continue")
    at("upgrade:before")
    api = _admin(flags)
    config = api.get("configmaps", "kube-system", "kubeadm-config")
    cluster = yaml.safe_load(config["data"]["ClusterConfiguration"])
    _check_skew(cluster["kubernetesVersion"], wanted)
    cluster["kubernetesVersion"] = wanted
    at("upgrade:middle")
    _renew(cluster)
    _set_version(wanted)
    config["data"]["ClusterConfiguration"] = yaml.safe_dump(cluster)
    _wait_version(api, wanted)
    api.put("configmaps", "kube-system", "kubeadm-config", config)
    at("upgrade:after")
    print(f"[upgrade] SUCCESS! A control plane node of your cluster was upgraded to \"{wanted}\".")
    return 0


def upgrade_node(*_):
    import yaml
    at("upgrade:before")
    if os.path.exists(f"{ETC}/manifests/kube-apiserver.yaml"):
        api = Api.by_kubeconfig(f"{ETC}/admin.conf")
        _renew(yaml.safe_load(api.get("configmaps", "kube-system", "kubeadm-config")["data"]["ClusterConfiguration"]))
        at("upgrade:middle")
        _set_version(installed_version())
        _wait_version(api, installed_version())
    at("upgrade:after")
    print("[upgrade] The configuration for this node was successfully updated!")
    return 0


def _wait_version(api, version):
    """Its own API server, started again."""
    own = Api(f"https://{address_of_default_device()}:6443", api.context)
    wait_for(lambda: (own.ask("GET", "/version")[1] or {}) == {"gitVersion": version} and own.ready(), 60, "the API server")


def _check_skew(old, new):
    if int(new.split(".")[1]) > int(old.split(".")[1]) + 1:
        raise Failure(f"[upgrade/version] FATAL: the --version argument is invalid due to these fatal errors:\n\n\t- Specified version to upgrade to \"{new}\" is too "
                      "high; kubeadm can upgrade only 1 minor version at a time")


def _set_version(version):
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        path = f"{ETC}/manifests/{name}.yaml"
        lines = [f"    - --stub-version={version}" if "--stub-version=" in line else line for line in read(path).splitlines()]
        write(path, "\n".join(lines) + "\n", 0o600)
