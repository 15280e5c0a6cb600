// fairlead: pure
// What is to be done, in which order, and why: the step graph that `bootstrap plan` shows and `bootstrap apply` carries out. Values only;
// k8s-bootstrap/plan/plan_bring_up.h and its neighbours make one from a site and facts.
//
// Everything a step will do stands in it: commands with their standard input, and files with their text. Only what does not exist yet is a
// placeholder, `${NAME}` of kPlaceholders, filled while it runs: so a dry run prints what a run does, and no secret stands in a plan.
//
//   G1  `needs` names steps of the same plan, and there is no cycle. Ids are unique.
//   G2  A step is planned only if facts say that its effect is missing: applied and read again, the same site plans nothing.
//   G3  A step that makes or destroys a cluster's state (`concerns` is not empty) is planned only when each machine of `concerns` was read.
//       Unknown is not absent: what such a step would need to know and does not, is an Obstacle instead.
//   G4  At most one step of a plan initialises the cluster, and none if any control plane or etcd machine has etcd data, an admin.conf or
//       a live API, or was not read. One exception: an external etcd that by its record this site's bring-up has made; then the step
//       itself refuses an etcd that holds anything.
//   G5  A cluster that has an endpoint is initialised only when a gateway serves it, or is seen to earlier in the same plan.
//
// A plan that repairs (resets what an init or join left half-made, removes an etcd member) does nothing else to the cluster: the machines
// are read again and what is left is planned then. So `apply` plans, carries out, reads and plans again until nothing is left (G2), and
// gives up when the same plan comes back.
//
// A step whose script `gives` placeholders makes a fresh secret, not a state: it is run again whenever a step that is still to be done
// needs its values, also when its record says done. A record counts for the text that was run: another text of the same step is run.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/time.h"

namespace fairlead::bootstrap {

/// In the order they are shown; steps of different phases may run at once when `needs` allows it.
enum class Phase : std::uint8_t {
  kPreflight,
  kPrepare,
  kPki,
  kGateways,
  kEtcd,
  kInit,
  kControlPlanes,
  kWorkers,
  kStorage,
  kAddons,
  kVerify,
  kRemove,
  kUpgrade,
  kBackup,
  kRestore  ///< The last one: plan_json.cc counts by it.
};
[[nodiscard]] std::string_view to_string(Phase phase);  ///< "control planes"

/// What it costs to be wrong. Shown as a word and a symbol; kDestroysData is confirmed by the machine's name.
enum class Hazard : std::uint8_t { kNone, kReboots, kDestroysData };

/// Values that are known only while applying. In texts: "${certificate-key}".
inline constexpr std::array<std::string_view, 5> kPlaceholders = {"certificate-key", "join-token", "ca-hash", "gateway-token",
                                                                  "snapshot-sha256"};

/// Written beside, synced, renamed; an equal file is left alone.
struct WriteFile {
  std::string path;
  std::string text;
  std::uint32_t mode = 0644;
  bool secret = false;  ///< Its text is shown by no plan, log or journal.
  bool operator==(const WriteFile&) const = default;
};
/// A file of the operator's machine, by its path there (below state_dir, or the bundle's), copied to the machine.
struct CopyFile {
  std::string from;
  std::string path;
  std::uint32_t mode = 0644;
  bool secret = false;
  std::string sha256;  ///< Checked after the copy where it is given.
  bool operator==(const CopyFile&) const = default;
};
/// The way back: a file of the machine, put below state_dir (0600).
struct FetchFile {
  std::string path;
  std::string to;
  bool secret = false;
  std::string sha256;  ///< Of what arrives, where it is given; may be a placeholder. What differs is removed again.
  bool operator==(const FetchFile&) const = default;
};
/// A script for /bin/sh, run as root with `set -eu`. It goes on when the connection is cut, and is found again by the next run.
struct RunScript {
  std::string script;
  std::string input;  ///< Standard input.
  bool secret = false;
  Duration timeout = std::chrono::minutes(5);
  /// Lines "NAME=VALUE" of its standard output that give placeholders their values; they appear nowhere else.
  std::vector<std::string> gives;
  /// It sets what others may have taken back meanwhile: run again whenever it is planned, also when its record says done.
  bool again = false;
  bool operator==(const RunScript&) const = default;
};
/// Asked again until it exits with 0. It changes nothing.
struct WaitFor {
  std::string what;  ///< "the API answers through the VIP"
  std::string script;
  Duration every = std::chrono::seconds(1);
  Duration timeout = std::chrono::minutes(5);
  bool operator==(const WaitFor&) const = default;
};
/// Work on the operator's machine that is not a copy: see `LocalWork::Kind`.
struct LocalWork {
  enum class Kind : std::uint8_t { kMakeClusterCa, kMakeSshCa, kSignHostKey, kHook, kKeepNewest, kArchive };
  Kind kind = Kind::kHook;
  /// kHook; kSignHostKey: the public key's file and the certificate's, below state_dir. kKeepNewest: a folder, how names begin and end that
  /// count, how many of the newest stay. kArchive: see pack_archive() of apply/.
  std::vector<std::string> argv;
  bool operator==(const LocalWork&) const = default;
};
using Operation = std::variant<WriteFile, CopyFile, FetchFile, RunScript, WaitFor, LocalWork>;

struct Step {
  std::string id;  ///< "mast-2/join": the same in every plan that holds the step.
  Phase phase = Phase::kPreflight;
  std::string machine;  ///< Where its operations run; empty: the operator's machine only.
  std::string title;    ///< "joins as a control plane"
  std::string because;  ///< "no kubelet.conf, and the API knows no node of this name"
  std::vector<std::string> needs;
  Hazard hazard = Hazard::kNone;
  std::vector<std::string> concerns;  ///< G3
  std::vector<Operation> operations;
  Duration usual = std::chrono::seconds(1);  ///< For the first estimate of how long it will take.
  bool operator==(const Step&) const = default;
};

/// Why the plan stops short, and what to do.
struct Obstacle {
  std::vector<std::string> machines;
  std::string reason;
  std::string remedy;
  std::string check;  ///< Name of the preflight check, for `preflight.ignore`; empty: it cannot be ignored.
  bool operator==(const Obstacle&) const = default;
};

struct Plan {
  std::vector<Step> steps;  ///< In an order that `needs` allows.
  std::vector<Obstacle> obstacles;
  std::vector<std::string> warnings;

  [[nodiscard]] const Step* find(std::string_view id) const;
  [[nodiscard]] bool empty() const { return steps.empty() && obstacles.empty(); }
  bool operator==(const Plan&) const = default;
};

}  // namespace fairlead::bootstrap
