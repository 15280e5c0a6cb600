// One watcher: the WebSocket (RFC 6455) that a connection of the API became.
//
//   handshake --> hello --> status, events, one frame under way at a time --> closing (1001 at shutdown, 1008 flood, 1009 big frame)
//
// What is sent next says WatchPlan. A frame that is not taken within ApiLimits::request ends the connection; silence of ApiLimits::idle,
// half of which brings a ping, ends it as well.
// Threading: `admin` only. Ownership: a session keeps itself alive through its pending operations; the server holds it weakly.
// Limits: one frame, a batch of events, 4 KiB of what the client says, 64 KiB of that a second.
#pragma once

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <memory>

#include "admin/api_session.h"
#include "admin/api_stream.h"
#include "admin/api_watch.h"
#include "admin/watch_plan.h"

namespace fairlead::admin {

using WatchHandshake = boost::beast::http::request<boost::beast::http::empty_body>;

[[nodiscard]] std::shared_ptr<ApiSession> make_watch_session(ApiStream stream, WatchHandshake handshake, const WatchRequest& request,
                                                             SessionSetup setup);

}  // namespace fairlead::admin
