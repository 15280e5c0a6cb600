// The program `fairlead`. Everything is in run_cli(); here are the terminal and the clock.
#include <cstdlib>
#include <iostream>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/system_clock.h"
#include "cli/app.h"

int main(int argc, char** argv) {
  using namespace fairlead;
  const SystemClock clock;
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  // A terminal that says nothing of itself, or that it is a dumb one, is sent no control sequences.
  const bool dumb = terminal == nullptr || *terminal == '\0' || std::string_view(terminal) == "dumb";
  const bool colors = out_is_terminal && !dumb && (no_color == nullptr || *no_color == '\0');
  cli::CliEnvironment environment{
      .out = std::cout,
      .err = std::cerr,
      .clock = clock,
      .color = colors,
      .interactive = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1,
      .redraw = out_is_terminal && !dumb,
      .progress = ::isatty(STDERR_FILENO) == 1 && !dumb,
      .read_line =
          [] {
            std::string line;
            std::getline(std::cin, line);
            return line;
          },
      .pause = [](Duration d) { return ::poll(nullptr, 0, static_cast<int>(to_ms(d))) == 0; },
      .screen =
          [] {
            winsize size{};
            if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return cli::ScreenSize{};
            return cli::ScreenSize{size.ws_row, size.ws_col};
          },
  };
  return cli::run_cli(std::vector<std::string>(argv + 1, argv + argc), environment);
}
