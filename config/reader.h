// fairlead: pure
// Walks a Document by the schema: fills structs, collects problems, remembers where each key stands.
//
// A value that cannot be read leaves its target at the default and its path in `failed`, so that cross-checks do not complain about a
// consequence of what was reported already.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/document.h"
#include "config/limits.h"
#include "config/problem.h"
#include "config/settings.h"

namespace fairlead::config {

namespace schema {
struct Section;
}

/// `path` is `parent` or lies below it: "pools[0].health" in "pools[0]", not "pools[0]" in "pool".
[[nodiscard]] bool path_within(std::string_view path, std::string_view parent);

/// Where things stand in the file, by path: "pools[0].health.ca".
class Places {
 public:
  void add(const std::string& path, Position at) { at_.emplace(path, at); }
  /// The key was written in the file.
  [[nodiscard]] bool has(const std::string& path) const { return at_.contains(path); }
  /// Of the path, or of its nearest parent that stands in the file.
  [[nodiscard]] Position nearest(std::string_view path) const;

 private:
  std::unordered_map<std::string, Position> at_;
};

class Reader {
 public:
  /// `root`: the table that is read, where keys in the wrong place are looked for. Null: the gateway's.
  explicit Reader(std::string file, const schema::Section* root = nullptr) : root_(root), file_(std::move(file)) {}

  /// A problem of the value being read; it counts as failed.
  void error(Position at, std::string message, std::string hint);
  /// The same for a path of the caller's: later checks of it stay silent.
  void error_at_path(const std::string& path, Position at, std::string message, std::string hint);
  void warning(Position at, std::string message, std::string hint);
  /// The path failed, and why was reported elsewhere.
  void excuse(std::string path) { failed_.insert(std::move(path)); }

  /// The key that is being read, for messages: "idle_timeout".
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  /// Enters a key or a list item for the lifetime of the object.
  class Enter {
   public:
    Enter(Reader& reader, const std::string& key, Position at);
    Enter(Reader& reader, std::size_t index, Position at);
    Enter(const Enter&) = delete;
    Enter& operator=(const Enter&) = delete;
    ~Enter();

   private:
    Reader& reader_;
    std::size_t outer_path_length_;
    std::string outer_key_;
  };

  /// Nothing at or below `path`, nor what it lies in, failed to be read.
  [[nodiscard]] bool sound(std::string_view path) const;
  /// `path` itself could be read, whatever is wrong with its parts.
  [[nodiscard]] bool readable(std::string_view path) const;

  /// More problems than will be shown; no use in looking for more.
  [[nodiscard]] bool full() const { return problems_.size() >= 2 * kProblemsMax; }

  Pool pool_defaults;  ///< `defaults.pool`, read before the pools, which begin as copies of it.

  [[nodiscard]] std::vector<Problem>& problems() { return problems_; }
  [[nodiscard]] const Places& places() const { return places_; }
  [[nodiscard]] const std::set<std::string>& failed() const { return failed_; }
  [[nodiscard]] const schema::Section* root() const { return root_; }

 private:
  friend class Enter;
  const schema::Section* root_;  ///< Tables live as long as the program.
  std::string file_;
  std::string path_;
  std::string key_;
  std::vector<Problem> problems_;
  Places places_;
  std::set<std::string> failed_;
};

}  // namespace fairlead::config
