// fairlead: pure
#include "k8s-bootstrap/facts/ask_cluster.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "k8s-bootstrap/facts/fact_words.h"
#include "k8s-bootstrap/transport/shell_session.h"

namespace fairlead::bootstrap {
namespace {

namespace json = boost::json;

/// Each answer: "@NAME CODE", its lines behind "|"; what kubectl complained of behind "!".
constexpr std::string_view kScript = R"SH(
KUBECONFIG=/etc/kubernetes/admin.conf
export KUBECONFIG
work=$(mktemp -d /run/fairlead-probe.XXXXXX 2>/dev/null || mktemp -d) || exit 70
trap 'rm -rf "$work"' EXIT
IFS='
'
limit() { if command -v timeout >/dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi; }
ask() {   # NAME COMMAND...
  n=$1; shift
  limit 10 "$@" >"$work/$n.out" 2>"$work/$n.err" </dev/null
  echo $? >"$work/$n.code"
}
ask nodes kubectl get nodes -o json &
ask version kubectl get --raw /version &
ask config kubectl -n kube-system get configmap kubeadm-config -o name --ignore-not-found &
ask certs kubectl -n kube-system get secret kubeadm-certs -o name --ignore-not-found &
ask tokens kubectl -n kube-system get secret --field-selector type=bootstrap.kubernetes.io/token -o name &
i=0
for a in $addons; do
  kind=${a%%/*}; rest=${a#*/}
  ask "addon-$i" kubectl -n "${rest%%/*}" get "$kind" "${rest#*/}" -o json --ignore-not-found &
  i=$((i + 1))
done
pki=/etc/kubernetes/pki
ca=$pki/etcd/ca.crt; cert=$pki/etcd/healthcheck-client.crt; key=$pki/etcd/healthcheck-client.key
if ! [ -f "$key" ] && [ -f $pki/apiserver-etcd-client.key ]; then
  cert=$pki/apiserver-etcd-client.crt; key=$pki/apiserver-etcd-client.key
fi
url=https://127.0.0.1:2379
if [ -f /etc/kubernetes/manifests/kube-apiserver.yaml ]; then
  u=$(sed -n 's/.*--etcd-servers=//p' /etc/kubernetes/manifests/kube-apiserver.yaml | sed -n 1p)
  [ -z "$u" ] || url=$u
fi
ETCDCTL_API=3
export ETCDCTL_API
with() {   # COMMAND... ; then what etcdctl is asked, in $question
  limit 10 "$@" --endpoints "$url" --cacert "$ca" --cert "$cert" --key "$key" --command-timeout 5s $question
}
if command -v etcdctl >/dev/null 2>&1; then way=etcdctl
elif command -v crictl >/dev/null 2>&1 &&
  pod=$(limit 5 crictl ps -q --name '^etcd$' --state Running 2>/dev/null | sed -n 1p) && [ -n "$pod" ]; then
  way=crictl
else
  way=kubectl
fi
etcd() {   # NAME; the question, a word a line
  question=$2
  case $way in
    etcdctl) with etcdctl ;;
    crictl) with crictl exec "$pod" etcdctl ;;
    kubectl) with kubectl -n kube-system exec "etcd-$(uname -n)" -- etcdctl ;;
  esac >"$work/$1.out" 2>"$work/$1.err" </dev/null
  echo $? >"$work/$1.code"
}
etcd members 'member
list
-w
json'
etcd health 'endpoint
health
--cluster
-w
json'
wait
echo "@begin $way"
for f in "$work"/*.code; do
  n=${f##*/}; n=${n%.code}
  read -r code <"$f"
  echo "@$n $code"
  sed 's/^/|/;$a\' "$work/$n.out"
  sed 's/^/!/;$a\' "$work/$n.err"
done
echo "@end"
)SH";

struct Part {
  int code = -1;
  std::string output;
  std::string errors;
};

constexpr std::size_t kPartMax = std::size_t{4} << 20;

std::optional<json::value> parse_json(std::string_view text) {
  boost::system::error_code problem;
  json::parse_options options;
  options.max_depth = 64;
  json::value out = json::parse(text, problem, {}, options);
  if (problem) return std::nullopt;
  return out;
}

/// What lies at a path of keys; null where anything on the way is not there or no object.
const json::value* at(const json::value* from, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (from == nullptr || !from->is_object()) return nullptr;
    from = from->as_object().if_contains(key);
  }
  return from;
}
std::string text_at(const json::value* from, std::initializer_list<std::string_view> keys) {
  const json::value* found = at(from, keys);
  return found != nullptr && found->is_string() ? printable(std::string_view(found->as_string())) : std::string();
}
bool true_at(const json::value* from, std::initializer_list<std::string_view> keys) {
  const json::value* found = at(from, keys);
  return found != nullptr && found->is_bool() && found->as_bool();
}
std::int64_t number_at(const json::value* from, std::initializer_list<std::string_view> keys) {
  const json::value* found = at(from, keys);
  return found != nullptr && found->is_int64() ? found->as_int64() : 0;
}
const json::array& list_at(const json::value* from, std::initializer_list<std::string_view> keys) {
  static const json::array kNone;
  const json::value* found = at(from, keys);
  return found != nullptr && found->is_array() ? found->as_array() : kNone;
}

NodeFact read_node(const json::value& item) {
  NodeFact out;
  out.name = text_at(&item, {"metadata", "name"});
  out.kubelet_version = version_in(text_at(&item, {"status", "nodeInfo", "kubeletVersion"}));
  out.runtime = text_at(&item, {"status", "nodeInfo", "containerRuntimeVersion"});
  for (const json::value& address : list_at(&item, {"status", "addresses"}))
    if (out.address.empty() && text_at(&address, {"type"}) == "InternalIP") out.address = text_at(&address, {"address"});
  out.unschedulable = true_at(&item, {"spec", "unschedulable"});
  for (const json::value& condition : list_at(&item, {"status", "conditions"}))
    if (text_at(&condition, {"type"}) == "Ready") out.ready = text_at(&condition, {"status"}) == "True";
  if (const json::value* labels = at(&item, {"metadata", "labels"}); labels != nullptr && labels->is_object())
    for (const auto& label : labels->as_object())
      if (label.value().is_string())
        out.labels[printable(std::string_view(label.key()))] = printable(std::string_view(label.value().as_string()));
  for (const json::value& taint : list_at(&item, {"spec", "taints"})) {
    const std::string value = text_at(&taint, {"value"});
    out.taints.push_back(fmt::format("{}{}{}:{}", text_at(&taint, {"key"}), value.empty() ? "" : "=", value, text_at(&taint, {"effect"})));
  }
  return out;
}

/// Ids are decimal in JSON, hexadecimal everywhere else; above 2^63 Boost gives an unsigned number.
std::string member_id(const json::value& member) {
  const json::value* id = at(&member, {"ID"});
  if (id == nullptr) return {};
  if (id->is_uint64()) return fmt::format("{:x}", id->as_uint64());
  if (id->is_int64() && id->as_int64() >= 0) return fmt::format("{:x}", id->as_int64());
  return {};
}

void read_etcd(const std::map<std::string, Part>& parts, ClusterAnswer& out) {
  const auto members = parts.find("members");
  const auto list = members == parts.end() || members->second.code != 0 ? std::nullopt : parse_json(members->second.output);
  if (!list) {
    out.unread.push_back(fmt::format("etcd's members: {}", members == parts.end() ? "not asked" : printable(members->second.errors)));
    return;
  }
  // Exits with 1 when one is ill; what it prints counts. One member's line may be on either stream (3.4 puts JSON on the error stream).
  std::map<std::string, bool> healthy;
  if (const auto health = parts.find("health"); health != parts.end())
    for (const std::string* text : {&health->second.output, &health->second.errors})
      for (std::string_view left = *text; !left.empty();) {
        const auto end = left.find('\n');
        if (const auto value = parse_json(left.substr(0, end)); value && value->is_array())
          for (const json::value& each : value->as_array()) healthy[text_at(&each, {"endpoint"})] = true_at(&each, {"health"});
        left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
      }
  for (const json::value& member : list_at(&*list, {"members"})) {
    EtcdMember fact;
    fact.id = member_id(member);
    fact.name = text_at(&member, {"name"});
    fact.learner = true_at(&member, {"isLearner"});
    for (const json::value& url : list_at(&member, {"peerURLs"}))
      if (fact.peer_url.empty() && url.is_string()) fact.peer_url = printable(std::string_view(url.as_string()));
    for (const json::value& url : list_at(&member, {"clientURLs"}))
      if (url.is_string() && healthy[printable(std::string_view(url.as_string()))]) fact.healthy = true;
    if (fact.id.empty()) {
      out.unread.push_back("etcd's members: one has no id");
      continue;
    }
    out.facts.etcd.push_back(std::move(fact));
  }
}

/// As `kubectl rollout status` judges: what is wanted is up to date and available.
Known addon_ready(const Part& part, std::string_view kind) {
  if (part.code != 0) return Known::kUnknown;
  if (part.output.empty() || part.output == "\n") return Known::kNo;
  const auto object = parse_json(part.output);
  if (!object) return Known::kUnknown;
  if (number_at(&*object, {"status", "observedGeneration"}) < number_at(&*object, {"metadata", "generation"})) return Known::kNo;
  if (kind == "daemonset") {
    const auto wanted = number_at(&*object, {"status", "desiredNumberScheduled"});
    return known(wanted > 0 && number_at(&*object, {"status", "numberReady"}) >= wanted &&
                 number_at(&*object, {"status", "updatedNumberScheduled"}) >= wanted);
  }
  const json::value* replicas = at(&*object, {"spec", "replicas"});
  const std::int64_t wanted = replicas != nullptr && replicas->is_int64() ? replicas->as_int64() : 1;
  return known(number_at(&*object, {"status", "readyReplicas"}) >= wanted && number_at(&*object, {"status", "updatedReplicas"}) >= wanted);
}

Result<std::map<std::string, Part>> read_parts(std::string_view text) {
  std::map<std::string, Part> out;
  Part* part = nullptr;
  bool begun = false;
  bool ended = false;
  while (!text.empty() && !ended) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.starts_with('@')) {
      Words words(line.substr(1));
      const std::string_view name = words.next();
      begun |= name == "begin";
      ended = name == "end";
      const auto code = number<int>(words.next());
      part = code && begun && out.size() < 256 ? &out[std::string(name)] : nullptr;
      if (part != nullptr) part->code = *code;
    } else if (part != nullptr && !line.empty()) {
      std::string& into = line.front() == '!' ? part->errors : part->output;
      if (into.size() + line.size() < kPartMax) into.append(line.substr(1)).append("\n");
    }
  }
  if (!ended || !begun) return Error{Errc::kUnavailable, "what the machine said of the cluster did not come whole; run it again"};
  return out;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end != 0) out.push_back(printable(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

}  // namespace

std::string cluster_probe_script(const Site& site) {
  std::string addons;
  for (const Addon& addon : site.kubernetes.addons)
    if (!addon.ready.empty()) addons += (addons.empty() ? "" : "\n") + addon.ready;
  return "set -u\naddons=" + shell_quote(addons) + std::string(kScript);
}

Result<ClusterAnswer> parse_cluster(std::string_view text, const Site& site, std::string_view from) {
  auto parts = read_parts(text);
  if (!parts) return parts.error();
  const auto part = [&](const std::string& name) -> const Part& {
    static const Part kNone;
    const auto found = parts->find(name);
    return found == parts->end() ? kNone : found->second;
  };
  const auto nodes = part("nodes").code == 0 ? parse_json(part("nodes").output) : std::nullopt;
  if (!nodes || at(&*nodes, {"items"}) == nullptr || !at(&*nodes, {"items"})->is_array())
    return Error{Errc::kUnavailable, fmt::format("{}: the API does not list its nodes: {}", from, printable(part("nodes").errors))};
  ClusterAnswer out;
  out.facts.from = std::string(from);
  for (const json::value& item : list_at(&*nodes, {"items"})) out.facts.nodes.push_back(read_node(item));
  if (part("version").code == 0) out.facts.kubernetes_version = git_version(part("version").output);
  const auto is_there = [&](const std::string& name, std::string_view what) {
    if (part(name).code == 0) return known(part(name).output.find(what) != std::string::npos);
    out.unread.push_back(fmt::format("{}: {}", what, printable(part(name).errors)));
    return Known::kUnknown;
  };
  out.facts.kubeadm_config = is_there("config", "kubeadm-config");
  out.facts.certs_secret = is_there("certs", "kubeadm-certs");
  constexpr std::string_view kToken = "secret/bootstrap-token-";
  if (part("tokens").code != 0) out.unread.push_back(fmt::format("tokens: {}", printable(part("tokens").errors)));
  for (const std::string& line : lines_of(part("tokens").output))
    if (line.starts_with(kToken)) out.facts.tokens.push_back(line.substr(kToken.size()));
  std::size_t index = 0;
  for (const Addon& addon : site.kubernetes.addons) {
    if (addon.ready.empty()) continue;
    out.facts.addons[addon.name] = addon_ready(part(fmt::format("addon-{}", index++)), addon.ready.substr(0, addon.ready.find('/')));
  }
  read_etcd(*parts, out);
  return out;
}

}  // namespace fairlead::bootstrap
