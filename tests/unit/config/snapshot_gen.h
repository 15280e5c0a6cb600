// Random configurations for property tests, made from the schema itself: a key added there is generated at once, and nothing is forgotten.
// Random configurations for property tests, made from the schema itself: a key added there is generated at once, nothing is forgotten.
#pragma once

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <vector>

#include "base/units.h"
#include "config/schema.h"
#include "config/validate.h"

namespace fairlead::config::testing {

inline std::int64_t pick(std::int64_t from, std::int64_t to) { return *rc::gen::inRange<std::int64_t>(from, to + 1); }

inline std::string pick_of(const std::vector<std::string>& words) {
  return words[static_cast<std::size_t>(pick(0, static_cast<std::int64_t>(words.size()) - 1))];
}

inline std::string any_text(bool may_be_empty) {
  static const std::vector<std::string> nasty{"a: b",
                                              "#c",
                                              "a #b",
                                              "- x",
                                              "'q'",
                                              "\"dq\"",
                                              "{x}",
                                              "[y",
                                              "true",
                                              "off",
                                              "0x10",
                                              "1e3",
                                              "~",
                                              "null",
                                              "*a",
                                              "&b",
                                              "!t",
                                              "%d",
                                              "@e",
                                              "`f",
                                              "back\\slash",
                                              " lead",
                                              "trail ",
                                              "::",
                                              "? x",
                                              "|",
                                              ">",
                                              "<<",
                                              "\xc3\xa9",
                                              "\xe6\x97\xa5\xe6\x9c\xac",
                                              "\xf0\x9f\x98\x80",
                                              "---",
                                              "...",
                                              "a,b",
                                              "\xc2\x85",
                                              "\xe2\x80\xa8",
                                              "\xef\xbb\xbfx"};
  if (pick(0, 2) == 0) return pick_of(nasty);
  std::string out;
  const std::int64_t length = pick(may_be_empty ? 0 : 1, 12);
  for (std::int64_t i = 0; i < length; ++i) out += static_cast<char>(pick(0x20, 0x7e));
  return out;
}

inline std::string any_address() {
  if (pick(0, 3) == 0) return "2001:db8::" + std::to_string(pick(1, 20));
  return "10.0." + std::to_string(pick(0, 2)) + "." + std::to_string(pick(0, 255));
}

inline std::string any_endpoint(const std::string& host, std::int64_t port) {
  return (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

inline std::string any_scalar(const schema::TypeInfo& info) {
  const bool may_be_empty = info.min == 0;
  if (info.name == "duration")
    return pick(0, 4) == 0 ? format_duration(std::chrono::milliseconds(info.max))
                           : format_duration(std::chrono::milliseconds(pick(info.min, std::min(info.max, info.min + 100'000))));
  if (info.name == "duration in whole seconds")
    return format_duration(std::chrono::seconds(pick((info.min + 999) / 1000, info.max / 1000)));
  if (info.name == "size") return format_size(static_cast<std::uint64_t>(pick(info.min, info.max)));
  if (info.name == "rate") return std::to_string(pick(info.min, info.max)) + "/s";
  if (info.name == "IP address") return any_address();
  if (info.name.find("network") != std::string::npos || info.name.find("prefix") != std::string::npos) {
    if (info.name == "network device") return pick_of({"eth0", "lan", "auto", "br-1.20", "123", "off"});
    return any_address() + "/" + std::to_string(pick(0, 32));
  }
  if (info.name == "address with a port") return any_endpoint(any_address(), pick(info.min == 0 ? 1 : 0, 65535));
  if (info.name == "server address")
    return pick(0, 4) == 0 ? "_api._tcp.kube.demo" : any_endpoint(pick(0, 1) == 0 ? "mast-1.kube.demo" : any_address(), pick(1, 5));
  if (info.name == "name") return may_be_empty && pick(0, 3) == 0 ? "" : "n" + std::to_string(pick(0, 5));
  if (info.name == "host name or address")
    return may_be_empty && pick(0, 3) == 0 ? "" : pick_of({"gw.kube.demo", "192.168.1.1", "2001:db8::9", "null", "0"});
  if (info.name == "path") return may_be_empty && pick(0, 3) == 0 ? "" : "/" + any_text(true);
  if (info.name == "URL path")
    return pick_of({"/", "/readyz", "/a?b=c&d=%20#x", "/: x"}).substr(0, 14).find(' ') == std::string::npos ? "/readyz?verbose" : "/x";
  if (info.name == "MAC address") return "52:54:00:00:01:0" + pick_of({"a", "B", "3"});
  if (info.name == "text") return may_be_empty && pick(0, 3) == 0 ? "" : any_text(may_be_empty);
  ADD_FAILURE() << "the generator does not know the type '" << info.name << "'";
  return "";
}

inline DocNode any_value(const schema::TypeInfo& info);

/// `name`: for the key `name`; empty: any.
inline DocNode any_section(const schema::Section& section, const std::string& name) {
  DocNode map;
  map.kind = DocNode::Kind::kMap;
  for (const schema::Field& field : section.fields) {
    if (!field.required && pick(0, 1) == 0) continue;
    DocNode value = field.name == "name" && !name.empty() ? text_node(name) : any_value(field.type->info());
    map.entries.push_back({field.name, {}, std::make_shared<DocNode>(std::move(value))});
  }
  return map;
}

inline DocNode any_value(const schema::TypeInfo& info) {
  using Shape = schema::TypeInfo::Shape;
  switch (info.shape) {
    case Shape::kFlag: return scalar_node(pick_of({"true", "false", "on", "off", "yes", "no"}));
    case Shape::kNumber:
      return scalar_node(info.or_auto && pick(0, 2) == 0
                             ? "auto"
                             : std::to_string(pick(info.min, pick(0, 1) == 0 ? info.max : std::min(info.max, info.min + 5))));
    case Shape::kChoice: return scalar_node(pick_of(info.choices));
    case Shape::kSection: return any_section(*info.section, "");
    case Shape::kText: return text_node(any_scalar(info));
    case Shape::kMap: {
      DocNode map;
      map.kind = DocNode::Kind::kMap;
      const std::vector<std::string> keys = info.choices.empty() ? std::vector<std::string>{"lan", "wan", "off", "1"} : info.choices;
      for (const std::string& key : keys) {
        if (pick(0, 2) == 0) map.entries.push_back({key, {}, std::make_shared<DocNode>(any_value(info.element->info()))});
      }
      return map;
    }
    case Shape::kList: break;
  }
  std::vector<DocNodePtr> items;
  if (info.name == "range of addresses") {
    for (int i = 0; i < 2; ++i) items.push_back(std::make_shared<DocNode>(text_node(any_address())));
    return list_node(std::move(items));
  }
  const schema::TypeInfo& element = info.element->info();
  if (element.section == nullptr) {
    for (std::int64_t left = pick(0, 3); left > 0; --left) items.push_back(std::make_shared<DocNode>(any_value(element)));
    return list_node(std::move(items));
  }
  std::vector<std::string> names{"n0", "n1", "n2", "n3", "n4"};
  for (std::int64_t left = pick(0, 3); left > 0; --left) {
    const auto at = pick(0, static_cast<std::int64_t>(names.size()) - 1);
    items.push_back(std::make_shared<DocNode>(any_section(*element.section, names[static_cast<std::size_t>(at)])));
    names.erase(names.begin() + at);
  }
  return list_node(std::move(items));
}

/// A configuration that the schema accepts.
inline Snapshot any_snapshot() {
  const Document document{"generated", std::make_shared<DocNode>(any_section(schema::gateway(), ""))};
  ValidateResult result = read_unchecked(document);
  for (const Problem& problem : result.problems) ADD_FAILURE() << format(problem) << "\n" << render_yaml(*document.root);
  RC_ASSERT(result.snapshot.has_value());
  return std::move(*result.snapshot);
}

/// Another one that shares parts with `base`.
inline Snapshot any_relative(const Snapshot& base) {
  Snapshot out = any_snapshot();
  const auto keep = [] { return pick(0, 1) == 0; };
  if (keep()) out.node = base.node;
  if (keep()) out.cluster = base.cluster;
  if (keep()) out.guard = base.guard;
  if (keep()) out.proxy = base.proxy;
  if (keep()) out.admin = base.admin;
  if (keep()) out.log = base.log;
  if (keep()) out.dnsdhcp = base.dnsdhcp;
  if (keep()) out.vips = base.vips;
  if (keep()) out.listeners = base.listeners;
  if (keep()) out.pools = base.pools;
  for (Pool& pool : out.pools) {
    for (const Pool& old : base.pools) {
      if (old.name != pool.name) continue;
      std::vector<Server> servers = pool.servers;
      if (keep()) pool = old;
      if (keep()) pool.servers = std::move(servers);
      if (keep() && !pool.servers.empty()) pool.servers.front().weight = 7;
    }
  }
  return out;
}

}  // namespace fairlead::config::testing
