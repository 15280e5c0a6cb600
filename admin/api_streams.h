// The byte streams the API is served over. Included by api_*session.cc only: it brings Beast with it.
// Their rate policy limits nothing until a session asks for it (a watcher's flood).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/core/rate_policy.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace fairlead::admin {

using UnixStream =
    boost::beast::basic_stream<boost::asio::local::stream_protocol, boost::asio::any_io_executor, boost::beast::simple_rate_policy>;
using TcpStream = boost::beast::basic_stream<boost::asio::ip::tcp, boost::asio::any_io_executor, boost::beast::simple_rate_policy>;
using TlsStream = boost::beast::ssl_stream<TcpStream>;

}  // namespace fairlead::admin
