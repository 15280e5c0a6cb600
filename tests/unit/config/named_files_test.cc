#include "config/named_files.h"

#include <gtest/gtest.h>

#include "config/load.h"

namespace fairlead::config {
namespace {

constexpr const char* kText = R"(apiVersion: fairlead/v1
state_dir: /srv/state
admin:
  tls: {cert: /a/cert, key: /a/key, client_ca: /a/ca}
log: {target: file, path: /var/log/x.log}
defaults:
  pool:
    health:
      type: https
      ca: /h/ca
vips:
  - name: api
    address: 10.0.0.1/24
    on_acquire:
      - command: [/bin/up, x]
listeners: []
pools:
  - name: one
    servers: [{name: a, address: "10.0.0.2:1"}]
  - name: two
    health:
      token_file: /h/token
    servers: [{name: a, address: "10.0.0.2:1"}]
)";

TEST(NamedFiles, EachHasItsKeyAndTheLineThatNamesIt) {
  const auto loaded = load_text(kText, "x.yaml", Environment{});
  ASSERT_TRUE(loaded.snapshot) << format(loaded.problems.at(0));
  std::vector<std::string> found;
  for (const NamedFile& f : loaded.files) found.push_back(f.key + " " + f.path + " " + std::to_string(f.at.line));

  EXPECT_EQ(found, (std::vector<std::string>{"on_acquire /bin/up 15", "health.ca /h/ca 10", "health.ca /h/ca 10",
                                             "health.token_file /h/token 22", "admin.tls.cert /a/cert 4", "admin.tls.key /a/key 4",
                                             "admin.tls.client_ca /a/ca 4", "admin.socket /run/fairlead/fairlead.sock 4",
                                             "log.path /var/log/x.log 5", "state_dir /srv/state 2"}));
  EXPECT_EQ(loaded.files[3].pool, 1U);
}

TEST(NamedFiles, OfAFileThatIsNotValidTheRestIsKnown) {
  const auto loaded =
      load_text("apiVersion: fairlead/v1\nstate_dir: /srv/state\nadmin: {socket: relative}\nnonsense: 1\n", "x.yaml", Environment{});
  EXPECT_FALSE(loaded.snapshot);
  EXPECT_EQ(loaded.rest.state_dir, "/srv/state");
  EXPECT_EQ(loaded.rest.admin.socket, Snapshot{}.admin.socket) << "its own cannot be read";
  EXPECT_EQ(load_text(": : :", "x.yaml", Environment{}).rest.state_dir, Snapshot{}.state_dir);
}

}  // namespace
}  // namespace fairlead::config
