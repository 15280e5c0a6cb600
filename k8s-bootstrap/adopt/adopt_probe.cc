// fairlead: pure
#include "k8s-bootstrap/adopt/adopt_probe.h"

#include <algorithm>

#include "k8s-bootstrap/facts/fact_words.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::size_t kFilesMax = 256;
constexpr std::size_t kAnswerMax = std::size_t{16} << 20;

constexpr std::string_view kScript = R"SH(set -u
IFS='
'
limit() { if command -v timeout >/dev/null 2>&1; then timeout "$@"; else shift; "$@"; fi; }
file() {
  [ -f "$1" ] || return 0
  size=$(wc -c <"$1")
  [ "$size" -le 1048576 ] || return 0
  echo "@file $size $1"
  sed 's/^/|/;$a\' "$1"
}
echo "@fqdn $(limit 3 hostname -f 2>/dev/null || uname -n)"
file /etc/hosts
file /etc/fairlead/fairlead.yaml
file /etc/chrony/chrony.conf
file /etc/kubernetes/patches/kubeletconfiguration+merge.yaml
file /etc/kubernetes/pki/ca.crt
for m in kube-apiserver kube-controller-manager kube-scheduler etcd; do file "/etc/kubernetes/manifests/$m.yaml"; done
for a in $(ls -tr /var/lib/fairlead/bootstrap/addons/ 2>/dev/null); do
  case $a in *.yaml) file "/var/lib/fairlead/bootstrap/addons/$a" ;; esac
done
[ -f /etc/ssh/fairlead_user_ca.pub ] && echo "@file 0 /etc/ssh/fairlead_user_ca.pub"
[ -f /var/lib/fairlead/bootstrap/kubeconfig ] && echo "@file 0 /var/lib/fairlead/bootstrap/kubeconfig"
if [ -f /etc/kubernetes/admin.conf ] && command -v kubectl >/dev/null 2>&1; then
  for c in kubeadm-config kubelet-config kube-proxy; do
    out=$(KUBECONFIG=/etc/kubernetes/admin.conf limit 10 kubectl -n kube-system get configmap "$c" -o json 2>/dev/null </dev/null)
    echo "@ask $c $?"
    printf '%s\n' "$out" | sed 's/^/|/'
  done
fi
echo "@end"
)SH";

class Answer {
 public:
  bool take(std::string_view line) {
    if (line == "@end") return finish(), true;
    if (line.starts_with('@')) return begin(line.substr(1)), false;
    if (line.starts_with('|') && into_ != nullptr && into_->size() + line.size() < kAnswerMax) into_->append(line.substr(1)).append("\n");
    return false;
  }
  AdoptAnswer out;

 private:
  void begin(std::string_view header) {
    finish();
    Words words(header);
    const std::string_view what = words.next();
    if (what == "fqdn") out.fqdn = printable(words.rest());
    if (what == "file") {
      size_ = number<std::size_t>(words.next());
      if (!size_ || out.files.size() >= kFilesMax) return;
      out.files.emplace_back(std::string(words.rest()), "");
      into_ = &out.files.back().second;
    } else if (what == "ask") {
      const std::string name(words.next());
      if (words.next() == "0" && out.asked.size() < kFilesMax) into_ = &out.asked[name];
    }
  }
  /// A file whose last line had no end got one on the way.
  void finish() {
    if (size_ && into_ != nullptr) {
      if (into_->size() == *size_ + 1) into_->pop_back();
      if (into_->size() != *size_) out.files.pop_back();
    }
    size_.reset();
    into_ = nullptr;
  }

  std::optional<std::size_t> size_;
  std::string* into_ = nullptr;
};

}  // namespace

const std::string* AdoptAnswer::file(std::string_view path) const {
  const auto found = std::find_if(files.begin(), files.end(), [&](const auto& one) { return one.first == path; });
  return found == files.end() ? nullptr : &found->second;
}

std::string adopt_script() { return std::string(kScript); }

Result<AdoptAnswer> parse_adopt_answer(std::string_view text) {
  Answer answer;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;
    if (answer.take(text.substr(0, end))) return std::move(answer.out);
    text.remove_prefix(end + 1);
  }
  return Error{Errc::kUnavailable, "what the machine said of its files did not come whole; run it again"};
}

}  // namespace fairlead::bootstrap
