// `fairlead-loadgen serve`: accepts, checks each request's bytes, answers with as many bytes as it asks for. One thread.
#pragma once

#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/time.h"

namespace fairlead::bench {

struct BackendOptions {
  std::vector<Endpoint> listen;  ///< Port 0: the kernel picks one; the ready line names it.
  double event_rate = 0;         ///< Events per second, over all watches in turn.
  Duration lifetime{};           ///< Ends by itself then: nothing stays behind a killed harness.
};
/// Prints {"ready": ["127.0.0.1:4711", ...]} on stdout, serves until SIGTERM, SIGINT or the lifetime, then prints its counts.
/// Errors: what opening the listeners says; a connection's troubles are counted, not returned.
[[nodiscard]] Status run_backend(const BackendOptions& options);

}  // namespace fairlead::bench
