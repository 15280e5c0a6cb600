// One asynchronous operation of Asio, run to its end on the caller's thread: Beast's deadlines work on those only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>

namespace fairlead::admin {

/// `start` gets the completion handler.
template <class Start>
boost::system::error_code complete(boost::asio::io_context& io, Start start) {
  boost::system::error_code out;
  start([&out](boost::system::error_code failed, auto&&...) { out = failed; });
  io.restart();
  io.run();
  return out;
}

}  // namespace fairlead::admin
