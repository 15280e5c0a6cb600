#include "cli/noted_signals.h"

namespace fairlead::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

}  // namespace

NotedSignals::NotedSignals() {
  interrupted = 0;
  struct sigaction note {};
  note.sa_handler = [](int) { interrupted = 1; };
  for (std::size_t i = 0; i < std::size(kNumbers); ++i) (void)::sigaction(kNumbers[i], &note, &before_[i]);
}

NotedSignals::~NotedSignals() {
  for (std::size_t i = 0; i < std::size(kNumbers); ++i) (void)::sigaction(kNumbers[i], &before_[i], nullptr);
}

bool NotedSignals::came() { return interrupted != 0; }

}  // namespace fairlead::cli
