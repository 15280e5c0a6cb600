// fairlead: pure
#include <algorithm>

#include <fmt/format.h>

#include "migrate/import_limits.h"
#include "migrate/pacemaker_model.h"
#include "migrate/words.h"

namespace fairlead::migrate {
namespace {

struct Word {
  std::string text;
  Ledger::Line at = 0;
};
/// One statement: lines that end in a backslash go on in the next one.
struct Statement {
  std::vector<Word> words;
  std::vector<Ledger::Line> lines;
};

void cut_words(std::string_view line, Ledger::Line at, std::vector<Word>& out) {
  std::string word;
  bool in_word = false;
  char quote = 0;
  const auto end = [&] {
    if (in_word && out.size() < kWordsMax) out.push_back({std::move(word), at});
    word.clear();
    in_word = false;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0 && c == '\\' && i + 1 < line.size()) {
      word += line[++i];
    } else if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
      in_word = true;
    } else if (quote == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\f')) {
      end();
    } else {
      word += c;
      in_word = true;
    }
  }
  end();
}

std::vector<Statement> read_statements(const std::string& file, std::string_view text, Ledger& ledger) {
  std::vector<Statement> out;
  bool goes_on = false;
  int number = 0;
  for (const std::string_view raw : split_lines(text)) {
    ++number;
    std::string_view line = trimmed(raw);
    if (line.empty() || line.front() == '#') continue;
    const Ledger::Line at = ledger.add(file, number, raw);
    if (!goes_on) out.emplace_back();
    out.back().lines.push_back(at);
    goes_on = line.ends_with('\\');
    if (goes_on) line.remove_suffix(1);
    cut_words(line, at, out.back().words);
    if (out.back().words.size() >= kWordsMax)
      ledger.left_out(at, fmt::format("more than {} words in a statement: the rest of it is not read", kWordsMax));
  }
  return out;
}

/// "vip:Started" -> "vip"; sets' brackets go.
std::string resource_name(std::string_view word) { return std::string(word.substr(0, word.find(':'))); }
bool is_score(std::string_view word) { return word.ends_with(':') && word.size() > 1; }

class CrmReader {
 public:
  CrmReader(Ledger& ledger, Cib& cib) : ledger_(ledger), cib_(cib) {}

  void read(const Statement& statement) {
    const auto& words = statement.words;
    if (words.empty()) {
      for (const Ledger::Line line : statement.lines) ledger_.carried(line);
      return;
    }
    const std::string& what = words.front().text;
    if (what == "node") return node(statement);
    if (what == "primitive" && words.size() >= 3) return primitive(statement);
    if ((what == "group" || what == "clone" || what == "ms" || what == "master") && words.size() >= 3) return collection(statement);
    if (what == "location" && words.size() >= 4) return location(statement);
    if ((what == "colocation" || what == "collocation" || what == "order") && words.size() >= 4) return constraint(statement);
    if (what == "property" || what == "rsc_defaults" || what == "op_defaults") return properties(statement);
    static const std::vector<std::string_view> kKnown{"fencing_topology", "user",       "role",  "acl_target", "acl_group", "tag",
                                                      "rsc_template",     "rsc_ticket", "alert", "bundle",     "monitor",   "xml"};
    const bool known = std::find(kKnown.begin(), kKnown.end(), what) != kKnown.end();
    leave_out(
        statement,
        known ? fmt::format("fairlead.yaml has nothing like {}", what) : fmt::format("unknown in `crm configure show`: {}", shown(what)),
        known ? "" : "give the output of `crm configure show` or `cibadmin --query`");
  }

 private:
  void leave_out(const Statement& statement, const std::string& reason, const std::string& remedy = {}) {
    for (const Ledger::Line line : statement.lines) ledger_.left_out(line, reason, remedy);
  }

  /// "params a=b c=d meta ...": `into(section, name, value)` for each pair.
  template <class Into>
  void pairs(const Statement& statement, std::size_t from, std::string section, Into into) {
    for (std::size_t i = from; i < statement.words.size(); ++i) {
      const Word& word = statement.words[i];
      static const std::vector<std::string_view> kSections{"params", "meta", "op", "attributes", "utilization", "operations"};
      if (std::find(kSections.begin(), kSections.end(), word.text) != kSections.end()) {
        section = word.text;
        into(section, std::string(), CibValue{"", word.at});
        continue;
      }
      const auto equals = word.text.find('=');
      if (equals == std::string::npos || word.text.starts_with('$')) {
        into(section, word.text, CibValue{"", word.at});
        continue;
      }
      into(section, word.text.substr(0, equals), CibValue{word.text.substr(equals + 1), word.at});
    }
  }

  void node(const Statement& statement) {
    CibNode out;
    std::size_t at = 1;
    const auto& words = statement.words;
    if (words.size() > at && is_score(words[at].text)) out.id = words[at++].text;
    if (!out.id.empty()) out.id.pop_back();
    if (words.size() <= at) return leave_out(statement, "a node without a name");
    out.name = resource_name(words[at].text);
    out.at = words.front().at;
    for (const Ledger::Line line : statement.lines) ledger_.carried(line);
    pairs(statement, at + 1, "attributes", [&](const std::string& section, const std::string& name, const CibValue& value) {
      if (!name.empty() && section == "attributes") out.attributes[name] = value;
    });
    cib_.nodes.push_back(std::move(out));
  }

  void primitive(const Statement& statement) {
    CibResource out;
    out.id = statement.words[1].text;
    out.at = statement.words.front().at;
    out.lines = statement.lines;
    std::string agent = statement.words[2].text;
    const auto first = agent.find(':');
    const auto last = agent.rfind(':');
    out.standard = first == std::string::npos ? "ocf" : agent.substr(0, first);
    out.type = first == std::string::npos ? agent : agent.substr(last + 1);
    out.provider = first == std::string::npos ? "heartbeat" : first != last ? agent.substr(first + 1, last - first - 1) : "";
    pairs(statement, 3, "params", [&](const std::string& section, const std::string& name, const CibValue& value) {
      if (section == "op" || section == "operations") out.operations.push_back(value.at);
      if (name.empty()) return;
      if (section == "params") out.params[name] = value;
      if (section == "meta") out.meta[name] = value;
    });
    cib_.resources.push_back(std::move(out));
  }

  void collection(const Statement& statement) {
    CibCollection out;
    out.kind = statement.words.front().text == "group" ? CibCollection::Kind::kGroup : CibCollection::Kind::kClone;
    out.id = statement.words[1].text;
    out.at = statement.words.front().at;
    out.lines = statement.lines;
    for (std::size_t i = 2; i < statement.words.size(); ++i) {
      const std::string& word = statement.words[i].text;
      if (word == "meta" || word == "params") {
        pairs(statement, i, "params", [&](const std::string& section, const std::string& name, const CibValue& value) {
          if (!name.empty() && section == "meta") out.meta[name] = value;
        });
        break;
      }
      out.members.push_back(word);
    }
    cib_.collections.push_back(std::move(out));
  }

  void location(const Statement& statement) {
    CibLocation out;
    out.id = statement.words[1].text;
    out.resource = resource_name(statement.words[2].text);
    out.at = statement.words.front().at;
    out.lines = statement.lines;
    const auto& words = statement.words;
    for (std::size_t i = 3; i < words.size(); ++i) {
      const std::string& word = words[i].text;
      if (word == "rule") out.rule = true;
      if (is_score(word) && out.score.empty()) {
        out.score = word.substr(0, word.size() - 1);
        if (i + 1 < words.size()) out.node = words[i + 1].text;
      }
      if (word == "not_defined" || word == "defined") out.attribute = i + 1 < words.size() ? words[i + 1].text : "";
      if ((word == "lte" || word == "lt" || word == "gt" || word == "gte" || word == "eq" || word == "ne") && i > 3 &&
          out.attribute.empty())
        out.attribute = words[i - 1].text;
    }
    if (out.rule) out.node.clear();
    cib_.locations.push_back(std::move(out));
  }

  void constraint(const Statement& statement) {
    CibConstraint out;
    const auto& words = statement.words;
    out.kind = words.front().text == "order" ? CibConstraint::Kind::kOrder : CibConstraint::Kind::kColocation;
    out.id = words[1].text;
    out.at = words.front().at;
    out.lines = statement.lines;
    for (std::size_t i = 2; i < words.size(); ++i) {
      const std::string& word = words[i].text;
      if (is_score(word)) {
        out.score = word.substr(0, word.size() - 1);
      } else if (word.find('=') == std::string::npos && word != "(" && word != ")" && word != "[" && word != "]") {
        out.resources.push_back(resource_name(word));
      }
    }
    cib_.constraints.push_back(std::move(out));
  }

  void properties(const Statement& statement) {
    const std::string& what = statement.words.front().text;
    const auto scope = what == "property"       ? CibProperty::Scope::kCluster
                       : what == "rsc_defaults" ? CibProperty::Scope::kResourceDefaults
                                                : CibProperty::Scope::kOperationDefaults;
    for (const Ledger::Line line : statement.lines) ledger_.carried(line);
    pairs(statement, 1, "params", [&](const std::string&, const std::string& name, const CibValue& value) {
      if (name.empty() || name.ends_with(':') || name.starts_with('$')) return;
      cib_.properties.push_back({scope, name, value.text, value.at});
    });
  }

  Ledger& ledger_;
  Cib& cib_;
};

}  // namespace

Cib read_crm(const std::string& file, std::string_view text, Ledger& ledger) {
  Cib out;
  CrmReader reader(ledger, out);
  for (const Statement& statement : read_statements(file, text, ledger)) reader.read(statement);
  return out;
}

}  // namespace fairlead::migrate
