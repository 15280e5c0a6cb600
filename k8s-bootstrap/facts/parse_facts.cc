// fairlead: pure
#include "k8s-bootstrap/facts/parse_facts.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <set>

#include "k8s-bootstrap/apply/lock_record.h"
#include "k8s-bootstrap/apply/step_record.h"
#include "k8s-bootstrap/facts/certificate_text.h"
#include "k8s-bootstrap/facts/fact_words.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::size_t kUnsuitableMax = 64;
constexpr std::uint16_t kEtcdPort = 2379;
constexpr std::size_t kListMax = 4096;  ///< Of anything that a machine lists.
constexpr int kRefused = 7;             ///< curl: nobody listens.

class Parser {
 public:
  Parser(const ProbeRequest& request, Duration now) : request_(request), now_(now) {}

  Result<ProbeAnswer> parse(std::string_view text) {
    while (!text.empty() && !ended_) {
      const auto end = text.find('\n');
      if (end == std::string_view::npos) break;  // PF1: also the last line has an end.
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end + 1);
      if (line.starts_with('@')) {
        if (auto refused = section(line.substr(1)); !refused) return refused.error();
      } else if (line.starts_with('|') && begun_) {
        read(line.substr(1));
      } else if (begun_ && !line.empty()) {
        odd(line);
      }
    }
    if (!begun_ || !ended_) return Error{Errc::kUnavailable, "what the machine said of itself did not come whole; run it again"};
    finish();
    return std::move(out_);
  }

 private:
  using Reader = void (Parser::*)(std::string_view);

  Status section(std::string_view header) {
    Words words(header);
    const std::string_view name = words.next();
    if (name == "begin") {
      const auto version = number<int>(words.next());
      const auto time = seconds(words.next());
      const auto uid = number<unsigned>(words.next());
      if (!version || !time || !uid) return Error{Errc::kUnavailable, "what the machine said of itself does not begin as it should"};
      if (*version != kProbeVersion)
        return Error{Errc::kUnsupported,
                     fmt::format("the probe's answer is of version {}, this program reads {}", *version, kProbeVersion)};
      begun_ = true;
      is_root_ = *uid == 0;
      out_.begun = time->value;
      out_.resolution = time->resolution;
      if (!is_root_) complain("the probe did not run as root: files of root are not known");
      return {};
    }
    if (name == "end") {
      const auto time = seconds(words.next());
      if (!time || !begun_) return Error{Errc::kUnavailable, "what the machine said of itself does not end as it should"};
      out_.ended = time->value;
      ended_ = true;
      return {};
    }
    static const std::map<std::string_view, Reader> kReaders = {{"system", &Parser::system},
                                                                {"os-release", &Parser::os_release},
                                                                {"links", &Parser::link},
                                                                {"addresses", &Parser::address},
                                                                {"modules", &Parser::module},
                                                                {"sysctls", &Parser::sysctl},
                                                                {"listening", &Parser::socket},
                                                                {"files", &Parser::file},
                                                                {"kubernetes", &Parser::kubernetes},
                                                                {"steps", &Parser::step},
                                                                {"lock", &Parser::lock},
                                                                {"changed", &Parser::changed},
                                                                {"stand-ins", &Parser::stand_in},
                                                                {"programs", &Parser::program},
                                                                {"names", &Parser::name},
                                                                {"units", &Parser::unit},
                                                                {"packages", &Parser::package},
                                                                {"api", &Parser::api},
                                                                {"etcd", &Parser::etcd},
                                                                {"certificates", &Parser::certificate},
                                                                {"gateway", &Parser::gateway}};
    const auto found = kReaders.find(name);
    reader_ = found == kReaders.end() ? nullptr : found->second;
    if (reader_ == nullptr) odd(header);
    sections_.insert(std::string(name));
    return {};
  }
  void read(std::string_view line) {
    if (reader_ != nullptr) (this->*reader_)(line);
  }

  MachineFacts& facts() { return out_.facts; }
  void complain(std::string text) {
    if (facts().unsuitable.size() < kUnsuitableMax) facts().unsuitable.push_back(std::move(text));
  }
  void odd(std::string_view line) { complain(fmt::format("not understood: {}", printable(line))); }

  void system(std::string_view line) {
    Words words(line);
    const std::string_view key = words.next();
    const std::string value = printable(words.rest());
    if (key == "kernel") return void(facts().kernel = value);
    if (key == "arch") return void(facts().arch = value);
    if (key == "host_name") return void(facts().host_name = value);
    if (key == "boot_id") return void(facts().boot_id = value);
    if (key == "machine_id") return void(facts().machine_id = value);
    if (key == "product_uuid") return void(facts().product_uuid = value);
    if (key == "uptime") return void(uptime_ = number<std::int64_t>(std::string_view(value).substr(0, value.find('.'))));
    if (key == "cpus") return count(value, facts().cpus, line);
    if (key == "cgroup") return count(value, facts().cgroup_version, line);
    if (key == "swap" || key == "systemd") {
      (key == "swap" ? facts().swap : facts().systemd) = truth(value);
      if (truth(value) == Known::kUnknown) odd(line);
      return;
    }
    if (key == "MemTotal:") return kibibytes(words.next(), facts().memory_bytes, line);  // "MemTotal:       16303428 kB"
    if (key == "df") return disk(line);
    odd(line);
  }
  template <class N>
  void count(std::string_view text, N& into, std::string_view line) {
    const auto n = number<N>(text);
    n ? void(into = *n) : odd(line);
  }
  void kibibytes(std::string_view text, std::uint64_t& into, std::string_view line) {
    const auto n = number<std::uint64_t>(text);
    n&&* n < (std::uint64_t{1} << 53) ? void(into = *n * 1024) : odd(line);
  }
  /// "df /dev/vda1 41152736 4071452 35157900 11% /": the device's name may hold blanks, so it is read from the end.
  void disk(std::string_view line) {
    const auto words = split(line);
    const auto percent = std::find_if(words.rbegin(), words.rend(), [](std::string_view w) {
      return w.size() > 1 && w.back() == '%' && number<int>(w.substr(0, w.size() - 1));
    });
    if (percent == words.rend() || percent + 1 == words.rend()) return odd(line);
    kibibytes(*(percent + 1), facts().disk_free_bytes, line);
  }
  void os_release(std::string_view line) {
    const auto equal = line.find('=');
    if (equal == std::string_view::npos) return;
    std::string_view value = line.substr(equal + 1);
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
      value = value.substr(1, value.size() - 2);
    if (line.substr(0, equal) == "ID") facts().os_id = printable(value);
    if (line.substr(0, equal) == "VERSION_ID") facts().os_version = printable(value);
  }

  NetworkCard* card(std::string_view device) {
    device = device.substr(0, device.find('@'));  // "eth0@if7"
    const auto found = std::find_if(facts().cards.begin(), facts().cards.end(), [&](const NetworkCard& c) { return c.device == device; });
    if (found != facts().cards.end()) return &*found;
    if (facts().cards.size() >= kListMax) return nullptr;
    return &facts().cards.emplace_back(NetworkCard{std::string(device), {}, {}});
  }
  /// "2: eth0@if7: <BROADCAST,...> mtu 1500 ... link/ether 52:54:00:00:00:01 brd ..."
  void link(std::string_view line) {
    Words words(line);
    (void)words.next();
    std::string_view device = words.next();
    if (device.size() < 2 || device.back() != ':') return odd(line);
    device.remove_suffix(1);
    if (device == "lo") return;
    NetworkCard* to = card(device);
    if (to == nullptr) return;
    while (!words.done())
      if (words.next() == "link/ether") to->mac = printable(words.next());
  }
  /// "2: eth0    inet 192.168.1.11/24 brd ... scope global eth0\ ..."
  void address(std::string_view line) {
    Words words(line);
    (void)words.next();
    const std::string_view device = words.next();
    const std::string_view family = words.next();
    const std::string_view prefix = words.next();
    if (device == "lo") return;
    if ((family != "inet" && family != "inet6") || !parse_ip_prefix(prefix)) return odd(line);
    NetworkCard* to = card(device);
    if (to != nullptr && to->addresses.size() < kListMax) to->addresses.emplace_back(prefix);
  }

  void module(std::string_view line) {
    Words words(line);
    const std::string_view name = words.next();
    const Known loaded = truth(words.next());
    if (loaded == Known::kUnknown || !asked(request_.modules, name)) return odd(line);
    facts().modules[std::string(name)] = loaded == Known::kYes;
  }
  void sysctl(std::string_view line) {
    Words words(line);
    const std::string_view name = words.next();
    if (!asked(request_.sysctls, name)) return odd(line);
    facts().sysctls[std::string(name)] = printable(words.rest());
  }
  void socket(std::string_view line) {
    if (line.starts_with("tool ")) return void(sockets_by_ss_ = line == "tool ss");
    sockets_known_ = true;
    if (facts().listening.size() >= kListMax) return;
    const auto found = sockets_by_ss_ ? listening_of_ss(line) : listening_of_proc(line);
    if (!found) return sockets_by_ss_ ? odd(line) : void();
    auto& program = facts().listening[found->port];
    if (program.empty() || program == "?") program = found->program;
  }

  void file(std::string_view line) {
    Words words(line);
    const std::string_view what = words.next();
    if (what == "absent" && asked(request_.files, words.rest())) {
      if (is_root_) facts().files[std::string(words.rest())] = {};
    } else if (what == "odd") {
      complain(fmt::format("{} is no file", printable(words.rest())));
    } else if (what == "mode") {
      const std::string_view mode = words.next();
      std::uint32_t bits = 0;
      const auto [end, problem] = std::from_chars(mode.data(), mode.data() + mode.size(), bits, 8);
      if (problem != std::errc() || end != mode.data() + mode.size() || !asked(request_.files, words.rest())) return odd(line);
      modes_[std::string(words.rest())] = bits;
    } else if (what == "sha256") {
      // "HASH  PATH"; a path with a backslash has one before HASH and is not asked for.
      const std::string_view hash = words.next();
      if (!is_sha256(hash) || !asked(request_.files, words.rest())) return odd(line);
      hashes_[std::string(words.rest())] = std::string(hash);
    } else {
      odd(line);
    }
  }
  void kubernetes(std::string_view line) {
    Words words(line);
    const std::string_view key = words.next();
    const std::string_view value = words.rest();
    if (key == "manifest") {
      if (value.ends_with(".yaml") && facts().manifests.size() < kListMax)
        facts().manifests.push_back(printable(value.substr(0, value.size() - 5)));
      return;
    }
    const std::map<std::string_view, Known*> places = {{"admin_conf", &facts().admin_conf},
                                                       {"kubelet_conf", &facts().kubelet_conf},
                                                       {"etcd_data", &facts().etcd_data},
                                                       {"corosync_conf", &facts().corosync_conf},
                                                       {"gateway_socket", &gateway_socket_}};
    const auto place = places.find(key);
    if (place == places.end() || truth(value) == Known::kUnknown) return odd(line);
    // Who is not root cannot tell "not there" from "not to be seen".
    *place->second = is_root_ || truth(value) == Known::kYes ? truth(value) : Known::kUnknown;
  }
  void step(std::string_view line) {
    auto record = parse_step_line(line);
    if (!record) return odd(line);
    if (records_.size() < kListMax) records_.push_back(std::move(*record));
  }
  void lock(std::string_view line) {
    constexpr std::string_view kTakes = "takes ";
    if (!line.starts_with(kTakes)) return append(lock_text_, line);
    out_.lock_takes = number<std::uint64_t>(line.substr(kTakes.size())).value_or(0);
  }
  /// "/etc/kubernetes/manifests/etcd.yaml: FAILED", of sha256sum(1); a path has no ": FAILED" in it.
  void changed(std::string_view line) {
    const auto end = line.find(": FAILED");
    if (end == std::string_view::npos || end == 0) return odd(line);
    if (facts().changed.size() < kListMax) facts().changed.push_back(printable(line.substr(0, end)));
  }
  void stand_in(std::string_view line) { append(stand_in_text_, line); }
  static void append(std::string& to, std::string_view line) {
    if (to.size() + line.size() < kListMax * 16) to.append(line).append("\n");
  }

  void program(std::string_view line) {
    Words words(line);
    const std::string_view name = words.next();
    const std::string_view what = words.next();
    if (!asked(request_.programs, name) || (what != "absent" && what != "is")) return odd(line);
    if (what == "absent") return;
    const std::string version = version_in(words.rest());
    if (version.empty()) complain(fmt::format("{} is there, and its version is not to be had: {}", name, printable(words.rest())));
    facts().programs[std::string(name)] = version.empty() ? "?" : version;
  }
  void name(std::string_view line) {
    Words words(line);
    const std::string_view asked_name = words.next();
    const auto code = number<int>(words.next());
    if (!code || !asked(request_.names, asked_name)) return odd(line);
    if (*code != 0 && *code != 2) return complain(fmt::format("{}: the name service did not answer (code {})", asked_name, *code));
    // "ADDRESS  NAME ALIAS...": the other way round for an address.
    const std::string_view address = words.next();
    const std::string_view host = words.next();
    facts().resolves[std::string(asked_name)] = *code == 2 ? "" : printable(parse_ip_address(asked_name) ? host : address);
  }
  void unit(std::string_view line) {
    const auto equal = line.find('=');
    if (line.empty()) return end_unit();
    if (equal == std::string_view::npos) return complain(fmt::format("systemctl: {}", printable(line)));
    unit_[std::string(line.substr(0, equal))] = printable(line.substr(equal + 1));
  }
  void end_unit() {
    std::string id = unit_["Id"];
    if (id.ends_with(".service")) id.resize(id.size() - 8);
    any_unit_ = any_unit_ || !id.empty();
    if (!id.empty() && unit_["LoadState"] != "not-found" && !unit_["ActiveState"].empty()) {
      const std::string& enabled = unit_["UnitFileState"];
      facts().units[id] = unit_["ActiveState"] + (enabled.empty() ? "" : " " + enabled);
    }
    unit_.clear();
  }
  /// "ii |kubelet|1.36.4-1.1"; the first letter is what is wanted (h: held), the second what is (i: installed).
  void package(std::string_view line) {
    const auto first = line.find('|');
    const auto second = first == std::string_view::npos ? first : line.find('|', first + 1);
    if (second == std::string_view::npos || first < 2) return odd(line);
    const std::string_view status = line.substr(0, first);
    const std::string package_name = printable(line.substr(first + 1, second - first - 1));
    if (status[1] != 'i') return;
    facts().packages[package_name] = printable(line.substr(second + 1));
    if (status[0] == 'h') facts().held.push_back(package_name);
  }

  void api(std::string_view line) {
    if (line.starts_with("tool ")) return void(api_asked_ = true);
    for (const std::string_view path : {"readyz ", "version "})
      if (line.starts_with(path) && number<int>(trimmed(line.substr(path.size())))) {
        api_path_ = path.substr(0, path.size() - 1);
        api_exit_[api_path_] = *number<int>(trimmed(line.substr(path.size())));
        return;
      }
    if (line.starts_with("code ") && number<int>(trimmed(line.substr(5)))) {
      api_code_[api_path_] = *number<int>(trimmed(line.substr(5)));
      return;
    }
    append(api_body_[api_path_], line);
  }
  void etcd(std::string_view line) {
    Words words(line);
    const std::string_view key = words.next();
    if (key == "leader" && (words.rest() == "0" || words.rest() == "1")) {
      facts().etcd_leads = known(words.rest() == "1");
    } else if (key == "refused") {
      facts().etcd_leads = Known::kNo;
    } else if (key != "tool" && !line.empty()) {
      odd(line);
    }
  }
  void certificate(std::string_view line) {
    if (line.starts_with("path ")) {
      end_certificate();
      certificate_path_ = std::string(line.substr(5));
      return;
    }
    append(certificate_text_, line);
  }
  void end_certificate() {
    if (!certificate_path_.empty() && facts().certificates.size() < kListMax) {
      if (auto read = read_certificate(certificate_path_, certificate_text_, now_)) {
        facts().certificates.push_back(std::move(*read));
      } else {
        complain(printable(certificate_path_) + ": no certificate that can be read is in it");
      }
    }
    certificate_path_.clear();
    certificate_text_.clear();
  }
  void gateway(std::string_view line) {
    constexpr std::string_view kCurl = "curl ";
    if (!line.starts_with(kCurl)) return append(gateway_text_, line);
    gateway_code_ = number<int>(line.substr(kCurl.size()));
  }

  void finish() {
    end_unit();
    if (sections_.count("units") > 0 && !any_unit_) {  // PF3
      for (const std::string& id : request_.units) facts().units[id] = kUnitUnread;
      complain("systemctl did not tell of its units in time");
    }
    end_certificate();
    for (const auto& [path, mode] : modes_) {  // PF2
      const auto hash = hashes_.find(path);
      if (hash == hashes_.end()) {
        complain(fmt::format("{} cannot be read", printable(path)));
      } else {
        facts().files[path] = {true, hash->second, mode};
      }
    }
    facts().kubelet_version = facts().programs.count("kubelet") > 0 ? facts().programs["kubelet"] : "";
    if (sections_.count("links") > 0 && facts().cards.empty()) complain("ip(8) lists no network card");
    finish_api();
    if (facts().etcd_leads == Known::kUnknown && sockets_known_ && facts().listening.count(kEtcdPort) == 0) facts().etcd_leads = Known::kNo;
    finish_gateway();
    std::stable_sort(records_.begin(), records_.end(), [](const CountedRecord& a, const CountedRecord& b) { return a.seq < b.seq; });
    for (CountedRecord& each : records_) facts().steps.push_back(std::move(each.record));
    const LockJudgement lock = judge_lock(lock_text_, uptime_, facts().boot_id);
    facts().lock_owner = lock.owner;
    if (!lock.problem.empty()) complain(lock.problem);
    for (std::string& problem : apply_stand_ins(stand_in_text_, facts())) complain(std::move(problem));
  }
  /// That it answers is known by an answer; that it does not, by nothing that listens there. All else is not known.
  void finish_api() {
    const bool listens = facts().listening.count(request_.api_port) > 0;
    const auto code = api_code_.find("readyz");
    if (code != api_code_.end() && code->second > 0) {
      facts().api_here = known(code->second == 200);
    } else if (sockets_known_ && !listens) {
      facts().api_here = Known::kNo;
    } else {
      facts().api_here = Known::kUnknown;
      complain(api_asked_
                   ? fmt::format("port {} is open and https://127.0.0.1:{}/readyz does not answer", request_.api_port, request_.api_port)
                   : "neither curl nor openssl is there to ask the API server");
    }
    if (api_code_.count("version") > 0 && api_code_["version"] == 200) facts().api_version = git_version(api_body_["version"]);
  }
  void finish_gateway() {
    if (gateway_socket_ != Known::kYes) return void(facts().gateway_serves = gateway_socket_);
    if (sections_.count("gateway") == 0) return complain("curl is not there to ask fairleadd");
    const auto held = vips_held(gateway_text_);
    if (held) {
      facts().vips_held = *held;
      facts().gateway_serves = Known::kYes;
    } else if (gateway_code_ == kRefused) {
      facts().gateway_serves = Known::kNo;
    } else {  // Busy, or it is something else: that is no reason to begin it.
      complain(fmt::format("fairleadd does not answer at its socket (curl: {})", gateway_code_ ? std::to_string(*gateway_code_) : "?"));
    }
  }

  static bool asked(const std::vector<std::string>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  }

  const ProbeRequest& request_;
  Duration now_;
  ProbeAnswer out_;
  bool begun_ = false;
  bool ended_ = false;
  bool is_root_ = false;
  Reader reader_ = nullptr;
  std::set<std::string> sections_;
  std::optional<std::int64_t> uptime_;
  bool sockets_by_ss_ = false;
  bool sockets_known_ = false;
  std::map<std::string, std::uint32_t> modes_;
  std::map<std::string, std::string> hashes_;
  Known gateway_socket_ = Known::kUnknown;
  std::map<std::string, std::string> unit_;
  bool any_unit_ = false;
  bool api_asked_ = false;
  std::string api_path_;
  std::map<std::string, int> api_exit_;
  std::map<std::string, int> api_code_;
  std::map<std::string, std::string> api_body_;
  std::string certificate_path_;
  std::string certificate_text_;
  std::string gateway_text_;
  std::optional<int> gateway_code_;  ///< curl's exit code.
  std::string lock_text_;
  std::vector<CountedRecord> records_;
  std::string stand_in_text_;
};

}  // namespace

Result<ProbeAnswer> parse_facts(std::string_view text, const ProbeRequest& request, Duration now) {
  return Parser(request, now).parse(text);
}

ClockOffset clock_offset(Duration sent, const ProbeAnswer& answer, Duration received) {
  const Duration there = std::max(answer.ended - answer.begun, Duration::zero());
  const Duration round_trip = std::max(received - sent - there, Duration::zero());
  return {((answer.begun - sent) + (answer.ended - received)) / 2, round_trip / 2 + answer.resolution};
}

}  // namespace fairlead::bootstrap
