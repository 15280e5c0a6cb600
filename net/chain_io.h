// Sends a chain's bytes now, as far as the kernel takes them. Shared by both engines: a send is tried at once on the stack frame that has
// the data, and only the rest waits (docs/internals/engines.md says when io_uring does it too).
#pragma once

#include <cstddef>

#include "net/buffer_pool.h"

namespace fairlead::net {

struct SendOutcome {
  std::size_t bytes = 0;  ///< Taken by the kernel; their blocks are back in the pool.
  bool blocked = false;   ///< The socket buffer is full; the rest of the chain is still there.
  int error = 0;          ///< Not 0: the socket is broken.
  unsigned calls = 0;     ///< System calls made.
};

/// Consumes what was sent from `chain`. Never blocks, never raises SIGPIPE.
[[nodiscard]] SendOutcome send_chain(int fd, BufferPool& pool, BufferChain& chain);

/// SO_ERROR, cleared by reading it; errno of getsockopt when that fails.
[[nodiscard]] int take_socket_error(int fd);
/// Makes the next close(2) send an RST.
void reset_on_close(int fd);

}  // namespace fairlead::net
