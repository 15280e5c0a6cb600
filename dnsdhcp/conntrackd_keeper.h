// Keeps one conntrackd running and tells it what this gateway is: the one that holds the VIPs, or another. SupervisionCore decides about
// its life, as about dnsmasq's; nothing here is in the way of a takeover, as the entries are in the kernel already (conntrackd_conf.h, Y1).
//
//   jobs thread: addresses of the machine, file, start     control: its pidfd, its log, one question at a time to it, the core's deadline
//
//   holds the VIPs    --> -R  its own table into what it tells, all of it: entries that came from another are its own from now on
//                         -B  all of that to the others
//   holds them not    --> -f internal  tells nothing any more: an entry that ends here for want of packets would end where they are
//                         -n           asks the others for all they tell
//
// Invariants:
//   T1  Nothing on the control thread waits for conntrackd, except a destructor for one that it has just killed.
//   T2  When the keeper is gone, so is its conntrackd. Entries stay in the kernel.
//   T3  One question at a time; one that is not answered within kQuestionMax is given up, and conntrackd replaced. After each start it
//       is told what it is.
// Threading: control. Ownership: loop and host outlive it. Callbacks must not destroy it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/qb_loop.h"
#include "config/settings.h"
#include "dnsdhcp/conntrackd_conf.h"
#include "dnsdhcp/dnsmasq_process.h"
#include "dnsdhcp/supervision_core.h"

namespace fairlead::dnsdhcp {

inline constexpr Duration kQuestionMax = std::chrono::seconds(5);
inline constexpr std::size_t kQuestionsMax = 16;
inline constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 10;

struct ConntrackdSettings {
  std::string program = "/usr/sbin/conntrackd";
  std::string folder;  ///< For its file and its lock; made when it is not there.
  std::string socket;  ///< Path, at most kConntrackdPathMax bytes.
};

struct ConntrackdHost {
  /// Runs it on a thread that may wait and lives as long as this process. False: too many wait there.
  std::function<bool(std::function<void()>)> post_job;
  /// Runs it on the control thread; may be called on any.
  std::function<void(std::function<void()>)> on_control;
  /// start_dnsmasq(), with CAP_NET_ADMIN; on post_job's thread.
  std::function<Result<DnsmasqChild>(const DnsmasqCommand&)> start = start_dnsmasq;
};

class ConntrackdKeeper {
 public:
  struct Callbacks {
    std::function<void(Duration took)> on_ready;
    /// Not again for the same reason until it has run.
    std::function<void(const SayEnded&)> on_ended;
    std::function<void(const SayCrashLoop&)> on_crash_loop;
    std::function<void(const Error&)> on_problem;  ///< It runs, and did not do what it was told.
  };
  using Answer = std::function<void(Result<std::string>)>;

  ConntrackdKeeper(QbLoop& loop, ConntrackdSettings settings, ConntrackdHost host, Callbacks callbacks);
  ~ConntrackdKeeper();
  ConntrackdKeeper(const ConntrackdKeeper&) = delete;
  ConntrackdKeeper& operator=(const ConntrackdKeeper&) = delete;

  /// Starts it, or starts it anew when its file has to be another: then the other gateways tell it all they have. `snapshot`: with
  /// router.sync.
  void configure(const config::Snapshot& snapshot);
  /// Whether the VIPs are here. May be said at any time and any number of times.
  void holds(bool here);
  /// What `conntrackd -s` says. Errors: kUnavailable (it does not run, too many questions), kConflict
  /// (the VIPs came or went meanwhile), kTimeout, what it says itself.
  void statistics(Answer done);

  /// One line for people: does it run, what is it, what to do.
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] const SupervisionCore& core() const { return core_; }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }  ///< -1: none.

  /// The files of one that shall not run any more. Waits for the disk.
  static void remove_files(const ConntrackdSettings& settings);

 private:
  struct Question {
    std::vector<std::string> arguments;
    Answer done;
  };
  /// What a job has done.
  struct Started {
    Result<DnsmasqChild> child;
    std::string conf;
  };

  void feed(const SupervisionInput& input);
  void carry_out(const SupervisionAction& action);
  void arm();
  void spawn();
  void spawned(Started&& started);
  void exited();
  void on_line(const DnsmasqLine& line);
  void look_again();
  void tell_role();
  void ask(std::vector<std::string> arguments, Answer done);
  void next_question();
  void asked(Result<DnsmasqChild> child);
  void read_answer();
  void question_over();
  void answer(Result<std::string> result);
  void forget_asking();
  void drop_questions(const char* why);
  [[nodiscard]] std::string conf_path() const { return settings_.folder + "/" + std::string(kConntrackdConf); }
  [[nodiscard]] DnsmasqCommand command(std::vector<std::string> arguments) const;

  QbLoop& loop_;
  ConntrackdSettings settings_;
  ConntrackdHost host_;
  Callbacks callbacks_;
  config::Snapshot snapshot_;
  SupervisionCore core_;
  DnsmasqLog log_;
  DnsmasqChild child_;
  std::string conf_;     ///< Of the one that runs.
  std::string last_;     ///< What it said last,
  std::string trouble_;  ///< and first of a failure.
  std::string told_;     ///< The reason of the last on_ended().
  std::string problem_;  ///< Why it does not run; empty: it does, or nothing is known.
  bool holds_ = false;
  QbLoop::TimerId timer_ = 0;
  // The question that is open.
  std::deque<Question> questions_;  ///< Its first is the open one.
  bool open_ = false;
  std::uint64_t asked_ = 0;  ///< Number of the last question.
  DnsmasqChild asking_;
  std::string said_;
  QbLoop::TimerId asking_until_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< For what comes back from other threads.
};

/// Every address of this machine with its device. Errors: those of getifaddrs(3).
[[nodiscard]] Result<MachineAddresses> machine_addresses();

}  // namespace fairlead::dnsdhcp
