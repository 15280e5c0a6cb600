// A program as a child: started, talked to, waited for or ended. For threads that may wait; several may do so at once.
//
//   RP1  The child is a process group of its own (a terminal's Ctrl-C is for the parent), with the parent's signals at their defaults and
//        no descriptor of the parent's but the three it is given.
//   RP2  It ends with the thread that started it (PR_SET_PDEATHSIG), and so with the process, also after SIGKILL.
//   RP3  Whatever happens it is waited for: no zombie stays.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"

namespace fairlead {

inline constexpr std::size_t kProgramOutputMax = std::size_t{8} << 20;  ///< Of each of the two streams; the rest is read and dropped.

struct ProgramCall {
  std::vector<std::string> argv;         ///< The first one is looked for on PATH when there is no slash in it.
  std::vector<std::string> environment;  ///< "NAME=VALUE", in place of or beside the parent's. "NAME" alone takes it out.
  std::string input;                     ///< Standard input; then what `input_fd` has, to its end; then it is closed.
  int input_fd = -1;                     ///< Borrowed; a file, never a pipe that may stay silent.
  Duration timeout = std::chrono::minutes(1);
  std::size_t output_max = kProgramOutputMax;
  /// Gets standard output as it comes, in place of ProgramResult::output. False: enough, the program is ended.
  std::function<bool(std::string_view)> on_output;
};

struct ProgramResult {
  int exit_code = 0;  ///< 128 + N after signal N.
  int signal = 0;     ///< 0: it exited.
  std::string output;
  std::string errors;
  bool cut = false;  ///< Something was dropped: see `output_max`.
};

/// Runs it to its end. What it leaves running in the background is left alone, even if that keeps its output open.
/// Errors: kNotFound (no such program), kPermission (may not be run), kTimeout (the process group was killed; `context` ends in what it
/// said last on standard error), kUnavailable (`on_output` had enough, or its input could not be read), those of fork(2) and pipe(2).
[[nodiscard]] Result<ProgramResult> run_program(const ProgramCall& call);

/// A program that stays: its input is held open and closes with the parent, however that ends; a program that ends at the end of its input
/// needs nothing else. Not tied to the thread that started it (RP2 does not hold).
class HeldProgram {
 public:
  /// Returns when it has said the line `ready` on standard output. Errors: as run_program; kUnavailable: it ended before, and `context` is
  /// what it said, on standard error and then on standard output.
  [[nodiscard]] static Result<HeldProgram> start(const ProgramCall& call, std::string_view ready);
  HeldProgram(HeldProgram&& other) noexcept;
  HeldProgram& operator=(HeldProgram&& other) noexcept;
  /// Closes its input, and kills it if that has not ended it after `patience`.
  ~HeldProgram();
  void end(Duration patience);
  void close_input() { input_.reset(); }
  [[nodiscard]] bool running();

 private:
  HeldProgram() = default;
  pid_t pid_ = -1;
  Fd pidfd_;
  Fd input_;
  Fd output_;
};

}  // namespace fairlead
