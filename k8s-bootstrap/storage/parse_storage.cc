// fairlead: pure
#include "k8s-bootstrap/storage/parse_storage.h"

#include <algorithm>
#include <fmt/format.h>

#include "k8s-bootstrap/facts/fact_words.h"
#include "k8s-bootstrap/storage/gluster_state.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::size_t kUnreadMax = 64;
constexpr int kProbeVersion = 1;

struct Section {
  std::string_view name;  ///< "brick brick-1"
  std::vector<std::string_view> lines;
};

/// Errors: kUnavailable (PS1).
Result<std::vector<Section>> sections_of(std::string_view text) {
  std::vector<Section> out;
  bool begun = false;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line == "@end" && begun) return out;
    if (line.starts_with("@begin ")) {
      if (line != fmt::format("@begin {}", kProbeVersion))
        return Error{Errc::kUnavailable, "the state of its storage is of another version"};
      begun = true;
    } else if (line.starts_with('@') && begun) {
      out.push_back({line.substr(1), {}});
    } else if (line.starts_with('|') && !out.empty()) {
      out.back().lines.push_back(line.substr(1));
    }
  }
  return Error{Errc::kUnavailable, "what the machine said of its storage did not come whole; run it again"};
}

std::string joined(const std::vector<std::string_view>& lines) {
  std::string out;
  for (const std::string_view line : lines) out.append(line).append("\n");
  return out;
}

/// `NAME="value"` of lsblk -P; it writes what is not printable as \xNN.
std::string pair_value(std::string_view line, std::string_view name) {
  const std::string begin = fmt::format("{}=\"", name);
  const auto at = line.starts_with(begin) ? 0 : line.find(" " + begin);
  if (at == std::string_view::npos) return {};
  const auto from = line.find('"', at) + 1;
  const auto to = line.find('"', from);
  return to == std::string_view::npos ? std::string() : std::string(trimmed(printable(line.substr(from, to - from))));
}

class BrickReader {
 public:
  BrickReader(const BrickQuestion& question, std::vector<std::string>& unread) : question_(question), unread_(unread) {}

  BrickFact read(const std::vector<std::string_view>& lines) {
    for (const std::string_view line : lines) one(line);
    if (!question_.group.empty()) judge_disk();
    return std::move(out_);
  }

 private:
  void one(std::string_view line) {
    Words words(line);
    const std::string_view key = words.next();
    if (key == "mounted") {
      out_.mounted = Known::kYes;
      out_.source = printable(words.next());
      out_.filesystem = printable(words.next());
      out_.size_bytes = number<std::uint64_t>(words.next()).value_or(0);
    } else if (key == "unmounted") {
      out_.mounted = Known::kNo;
    } else if (key == "directory") {
      const std::string name(words.next());
      if (std::find(question_.directories.begin(), question_.directories.end(), name) != question_.directories.end())
        out_.directories[name] = printable(words.next());
    } else if (key == "served" || key == "filled") {
      const std::string name(words.next());
      if (out_.directories.contains(name)) (key == "served" ? out_.served : out_.filled).insert(name);
    } else if (key == "directories") {
      out_.directories_known = Known::kYes;
    } else if (key == "disk") {
      const std::string_view disk = words.next();
      out_.disk_there = known(disk != "none");
      if (disk != "none") out_.disk = printable(disk);
    } else if (key.starts_with("NAME=")) {
      block(line);
    } else if (key == "held") {
      held_ = true;
    } else if (key == "blkid") {
      blkid_ = number<int>(words.next());
    } else if (key == "TYPE" || key == "PTTYPE") {
      signature_ = printable(words.next()) + (key == "PTTYPE" ? " partition table" : "");
    } else if (key == "bytes") {
      bytes_ = number<int>(words.next());
    } else if (key == "lvm") {
      lvm_ = truth(words.next());
    } else if (key.starts_with("pv") || key.starts_with("lv")) {
      of_lvm(key.substr(0, 2), words.rest());
    } else if (key == "brick-blkid") {
      const auto code = number<int>(words.next());
      const std::string_view type = words.next();
      if (code) filesystem_ = *code == 0 && !type.empty() ? Known::kYes : *code == 2 ? Known::kNo : Known::kUnknown;
    } else {
      complain(fmt::format("not understood: {}", printable(line)));
    }
  }
  void complain(std::string text) {
    if (unread_.size() < kUnreadMax) unread_.push_back(fmt::format("brick {}: {}", question_.name, text));
  }
  void block(std::string_view line) {
    if (!pair_value(line, "MOUNTPOINT").empty()) mounted_ = true;
    if (listed_++ > 0) return void(parts_ = true);
    out_.disk_bytes = number<std::uint64_t>(pair_value(line, "SIZE")).value_or(0);
    out_.disk_serial = pair_value(line, "SERIAL");
  }
  /// "pv /dev/sdb|fl-brick-1", "lv pool|thin-pool|3.1|10.0"
  void of_lvm(std::string_view kind, std::string_view rest) {
    std::vector<std::string> words;
    for (std::size_t at = 0; at <= rest.size();) {
      const auto end = std::min(rest.find('|', at), rest.size());
      words.push_back(printable(trimmed(rest.substr(at, end - at))));
      at = end + 1;
    }
    if (kind == "pv" && words.size() == 2) {
      if (!out_.disk.empty() && words[0] == out_.disk) out_.disk_group = words[1];
      if (words[1] == question_.group) group_on_ = words[0];
    } else if (kind == "lv" && words.size() == 4) {
      if (words[0] == "brick") volume_ = true;
      if (words[0] == "pool" && words[1] == "thin-pool") {
        out_.pool_data_percent = decimal(words[2]);
        out_.pool_metadata_percent = decimal(words[3]);
      }
    } else {
      complain(fmt::format("not understood: {} {}", kind, printable(rest)));
    }
  }
  static std::optional<double> decimal(const std::string& text) {
    double value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size() || text.empty() || !(value >= 0 && value <= 100)) return std::nullopt;
    return value;
  }
  void judge_disk() {
    if (lvm_ == Known::kYes) out_.volume_there = known(volume_);
    if (lvm_ == Known::kNo) out_.volume_there = Known::kNo;  // Without its tools there is none that could be used.
    out_.filesystem_there = filesystem_;
    if (out_.volume_there == Known::kNo) out_.filesystem_there = Known::kNo;
    if (out_.disk_there != Known::kYes) return;
    const bool listed = listed_ > 0;
    if (mounted_ || held_ || parts_) {
      out_.disk_in_use = Known::kYes;
    } else if (listed) {
      out_.disk_in_use = Known::kNo;
    }
    out_.disk_data = !signature_.empty() ? signature_ : parts_ ? "partitions" : bytes_ && *bytes_ > 0 ? "bytes at its beginning" : "";
    const bool none = listed && !parts_ && !held_ && blkid_ && *blkid_ == 2 && bytes_ && *bytes_ == 0;  // PS2
    if (!out_.disk_data.empty() || (blkid_ && (*blkid_ == 0 || *blkid_ == 8))) {
      out_.disk_has_data = Known::kYes;
      if (out_.disk_data.empty()) out_.disk_data = "more than one signature";
    } else if (none) {
      out_.disk_has_data = Known::kNo;
    }
  }

  const BrickQuestion& question_;
  std::vector<std::string>& unread_;
  BrickFact out_;
  std::optional<int> blkid_;
  std::optional<int> bytes_;
  std::string signature_;
  std::string group_on_;
  Known lvm_ = Known::kUnknown;
  Known filesystem_ = Known::kUnknown;
  bool held_ = false;
  bool mounted_ = false;
  bool parts_ = false;
  bool volume_ = false;
  int listed_ = 0;
};

MountFact mount_of(const std::vector<std::string_view>& lines) {
  MountFact out;
  for (const std::string_view line : lines) {
    Words words(line);
    const std::string_view key = words.next();
    if (key == "mounted") {
      out.mounted = Known::kYes;
      out.source = printable(words.next());
      out.filesystem = printable(words.next());
    } else if (key == "unmounted") {
      out.mounted = Known::kNo;
    } else if (key == "answers") {
      out.answers = truth(words.next());
    } else if (key == "missing" && out.missing.size() < kUnreadMax) {
      out.missing.push_back(printable(words.next()));
    }
  }
  return out;
}

void read_gluster(const std::vector<std::string_view>& lines, StorageFacts& out) {
  for (const std::string_view line : lines) {
    Words words(line);
    const std::string_view key = words.next();
    if (key == "installed") out.installed = truth(words.rest());
    if (key == "version") out.version = version_in(words.rest());
    if (key == "uuid") out.uuid = printable(words.rest());
    if (key == "op-version") out.op_version = printable(words.rest());
    if (key == "peers") out.has_peers = truth(words.rest());
    if (key == "volumes") out.has_volumes = truth(words.rest());
  }
}

void read_lists(const Section& section, StorageAnswer& out) {
  const std::string xml = joined(section.lines);
  StorageFacts& facts = out.facts;
  if (section.name == "peers") {
    auto peers = read_gluster_peers(xml);
    if (peers) {
      facts.running = Known::kYes;
      facts.peers = std::move(*peers);
    } else if (xml.find("Connection failed") != std::string::npos) {  // Its own word for: no daemon.
      facts.running = Known::kNo;
      facts.silence = "glusterd does not run";
    } else {
      facts.silence = peers.error().context;
    }
  } else {
    auto volumes = read_gluster_volumes(xml);
    if (volumes) facts.volumes = std::move(*volumes);
    if (!volumes && facts.running == Known::kYes) out.unread.push_back(volumes.error().context);
  }
}

}  // namespace

Result<StorageAnswer> parse_storage(std::string_view text, const StorageQuestions& questions) {
  auto sections = sections_of(text);
  if (!sections) return sections.error();
  StorageAnswer out;
  for (const Section& section : *sections) {
    Words words(section.name);
    const std::string_view kind = words.next();
    const std::string_view of = words.rest();
    if (kind == "gluster") read_gluster(section.lines, out.facts);
    if (kind == "peers" || kind == "volumes") read_lists(section, out);
    if (kind == "brick") {
      const auto asked = std::find_if(questions.bricks.begin(), questions.bricks.end(), [&](const auto& q) { return q.name == of; });
      if (asked != questions.bricks.end()) out.facts.bricks[asked->name] = BrickReader(*asked, out.unread).read(section.lines);
    }
    if (kind == "mount") {
      const auto asked = std::find_if(questions.mounts.begin(), questions.mounts.end(), [&](const auto& q) { return q.path == of; });
      if (asked != questions.mounts.end()) out.facts.mounts[asked->path] = mount_of(section.lines);
    }
  }
  if (out.facts.installed == Known::kNo) out.facts.running = Known::kNo;
  return out;
}

Result<PoolFacts> parse_pool(std::string_view text, std::string_view from, const std::vector<std::string>& volumes) {
  auto sections = sections_of(text);
  if (!sections) return sections.error();
  PoolFacts out;
  out.from = from;
  for (const Section& section : *sections) {
    Words words(section.name);
    const std::string_view kind = words.next();
    const std::string volume(words.rest());
    if (std::find(volumes.begin(), volumes.end(), volume) == volumes.end()) continue;
    VolumeFacts& facts = out.volumes[volume];
    const std::string xml = joined(section.lines);
    const auto take = [&](auto read, auto& into) {
      auto value = read(xml);
      if (value) {
        into = std::move(*value);
      } else if (out.unread.size() < kUnreadMax) {
        out.unread.push_back(fmt::format("volume {}: {}", volume, value.error().context));
      }
    };
    if (kind == "status") take(read_gluster_status, facts.processes);
    if (kind == "heal") take(read_gluster_heal, facts.heal);
    if (kind == "quota") take(read_gluster_quotas, facts.quotas);
    if (kind == "rebalance") take(read_gluster_rebalance, facts.rebalance);
  }
  return out;
}

}  // namespace fairlead::bootstrap
