// fairlead: pure
#include "config/reader.h"

#include <algorithm>
#include <utility>

namespace fairlead::config {

bool path_within(std::string_view path, std::string_view parent) {
  return path.starts_with(parent) &&
         (path.size() == parent.size() || parent.empty() || path[parent.size()] == '.' || path[parent.size()] == '[');
}

Position Places::nearest(std::string_view path) const {
  for (;;) {
    const auto found = at_.find(std::string(path));
    if (found != at_.end()) return found->second;
    const auto cut = path.find_last_of(".[");
    if (cut == std::string_view::npos) break;
    path = path.substr(0, cut);
  }
  return {};
}

void Reader::error(Position at, std::string message, std::string hint) { error_at_path(path_, at, std::move(message), std::move(hint)); }

void Reader::error_at_path(const std::string& path, Position at, std::string message, std::string hint) {
  failed_.insert(path);
  if (!full()) problems_.push_back({file_, at.line, at.column, Severity::kError, std::move(message), std::move(hint)});
}

void Reader::warning(Position at, std::string message, std::string hint) {
  if (!full()) problems_.push_back({file_, at.line, at.column, Severity::kWarning, std::move(message), std::move(hint)});
}

bool Reader::sound(std::string_view path) const {
  return std::none_of(failed_.begin(), failed_.end(),
                      [&](const std::string& failed) { return path_within(failed, path) || path_within(path, failed); });
}

bool Reader::readable(std::string_view path) const {
  return std::none_of(failed_.begin(), failed_.end(), [&](const std::string& failed) { return path_within(path, failed); });
}

Reader::Enter::Enter(Reader& reader, const std::string& key, Position at)
    : reader_(reader), outer_path_length_(reader.path_.size()), outer_key_(std::exchange(reader.key_, key)) {
  if (!reader_.path_.empty()) reader_.path_ += '.';
  reader_.path_ += key;
  reader_.places_.add(reader_.path_, at);
}

Reader::Enter::Enter(Reader& reader, std::size_t index, Position at)
    : reader_(reader), outer_path_length_(reader.path_.size()), outer_key_(reader.key_) {
  reader_.path_ += '[' + std::to_string(index) + ']';
  reader_.places_.add(reader_.path_, at);
}

Reader::Enter::~Enter() {
  reader_.path_.resize(outer_path_length_);
  reader_.key_ = std::move(outer_key_);
}

}  // namespace fairlead::config
