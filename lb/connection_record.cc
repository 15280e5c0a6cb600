// fairlead: pure
#include "lb/connection_record.h"

#include "base/assert.h"
#include "base/log_format.h"

namespace fairlead::lb {

std::string format_connection_record(std::span<const std::byte> data, LogFormat format) {
  ConnectionRecord record;
  FL_ASSERT(data.size() == sizeof record);
  std::memcpy(&record, data.data(), sizeof record);

  const std::string_view server = text_of(record.server);
  return LogLine(format, record.ended, LogLevel::kInfo, "CONNECTION")
      .add("listener", text_of(record.listener))
      .add("client", record.client.to_string())
      .add("server", std::string(text_of(record.pool)) + '/' + std::string(server.empty() ? "-" : server))
      .add("local", record.local.port == 0 ? "-" : record.local.to_string())
      .add("connect_ms", record.connect_ms)
      .add("total_ms", record.total_ms)
      .add("bytes_in", record.bytes_in)
      .add("bytes_out", record.bytes_out)
      .add("end", text_of(record.letters))
      .add("listener_connections", record.listener_connections)
      .add("server_connections", record.server_connections)
      .add("retries", record.retries)
      .take();
}

}  // namespace fairlead::lb
