#include "admin/command_codec.h"

#include <gtest/gtest.h>

namespace fairlead::admin {
namespace {

/// Decodes a call as the server does: target -> route -> command.
Result<Command> decode(const CommandCall& call) {
  const auto target = parse_api_target(call.target);
  if (!target) return target.error();
  const auto answer = find_route(call.method, *target);
  const auto* match = std::get_if<RouteMatch>(&answer);
  if (match == nullptr) return Error{Errc::kNotFound, "no route for " + call.method + " " + call.target};
  EXPECT_EQ(match->route->role, ApiRole::kOperate) << call.target;
  return decode_command(match->route->call, match->parameters, call.body);
}

TEST(CommandCodec, EveryCommandComesBackAsItWasSent) {
  const std::vector<Command> commands{
      Reload{false},
      Reload{true},
      SetServerState{"masters", "mast-1", AdminState::kDrain},
      SetServerState{"masters", "mast-1", AdminState::kMaint},
      SetServerState{"masters", "10.0.0.1:6443", AdminState::kReady},
      SetServerState{"masters", "mast-1", AdminState::kMaint, /*force=*/true},
      SetServerWeight{"masters", "mast-1", 0},
      SetServerWeight{"masters", "mast-1", 0, /*force=*/true},
      RemoveServer{"masters", "mast-1", /*force=*/true},
      SetServerWeight{"masters", "mast-1", 1000},
      AddServer{"masters", "mast-4", "mast-4.kube.demo:6443", 50, true, 100},
      RemoveServer{"masters", "mäst%1?#"},
      SetListenerEnabled{"kube-api", true},
      SetListenerEnabled{"kube-api", false},
      KillConnections{},
      KillConnections{ConnectionFilter{"masters", "mast-1", "10.0.0.9", "kube-api", "0-12"}},
      MoveVip{"api", ""},
      MoveVip{"api", "gate-2"},
      MoveVip{"api", "", std::chrono::milliseconds(1500)},
      MoveVip{"api", "gate-2", std::chrono::hours(1)},
      SetVipEnabled{"api", true},
      SetVipEnabled{"api", false},
      AnnounceVip{"api"},
      ForceVip{"api", {"gate-2", "gate-3"}},
      SetNodeStandby{"gate-1", true, false},
      SetNodeStandby{"gate-1", true, true},
      SetNodeStandby{"gate-1", false, false},
      RunDrill{"kill-process", ""},
      RunDrill{"delete-vip", "api"},
      ApplyRouter{false, ""},
      ApplyRouter{true, "10.0.0.9 40000 10.0.0.1 22"},
      ConfirmRouter{""},
      ConfirmRouter{"10.0.0.9 40001 10.0.0.1 22"},
      SetClusterFrozen{true},
      SetClusterFrozen{false},
      ReleaseLease{*parse_ip_address("192.168.1.101")},
      ReleaseLease{*parse_ip_address("192.168.1.101"), true},
      ReleaseLease{*parse_ip_address("2001:db8::17")},
  };
  for (const auto& command : commands) {
    const auto call = encode_command(command);
    const auto back = decode(call);
    ASSERT_TRUE(back) << describe(command) << ": " << back.error().message();
    EXPECT_EQ(describe(*back), describe(command));
    const auto again = encode_command(*back);
    EXPECT_EQ(again.target, call.target);
    EXPECT_EQ(again.body, call.body);
  }
}

struct Refused {
  const char* method;
  const char* target;
  const char* body;
  const char* says;
};

TEST(CommandCodec, RefusesWhatIsWrongAndNamesTheKey) {
  for (const auto& [method, target, body, says] : {
           Refused{"POST", "/api/v1/servers/p/s/state", "", "state"},
           Refused{"POST", "/api/v1/vips/api/move", "{\"too\":\"gate-2\"}", "too"},
           Refused{"POST", "/api/v1/vips/api/move", "{\"drain\":\"0\"}", "drain: '0' is not above 0 and at most 1h"},
           Refused{"POST", "/api/v1/vips/api/move", "{\"drain\":\"61m\"}", "drain: '61m' is not above 0 and at most 1h"},
           Refused{"POST", "/api/v1/vips/api/move", "{\"drain\":\"\"}", "drain: "},
           Refused{"POST", "/api/v1/vips/api/move", "{\"drain\":\"30\"}", "drain: "},
           Refused{"POST", "/api/v1/vips/api/move", "{\"drain\":30}", "drain: not a string"},
           Refused{"POST", "/api/v1/vips/api/force", "{}", "fenced: is missing"},
           Refused{"POST", "/api/v1/vips/api/force", "{\"fenced\":\"gate-2\"}", "fenced"},
           Refused{"POST", "/api/v1/servers/p/s/state", "{\"state\":\"gone\"}", "'gone' is not ready, drain or maint"},
           Refused{"POST", "/api/v1/servers/p/s/state", "{\"stat\":\"drain\"}", "state"},
           Refused{"POST", "/api/v1/servers/p/s/state", "{\"state\":1}", "state: not a string"},
           Refused{"POST", "/api/v1/servers/p/s/state", "not json", "not valid JSON"},
           Refused{"POST", "/api/v1/servers/p/s/state", "[]", "not a JSON object"},
           Refused{"PUT", "/api/v1/servers/p/s/weight", "{}", "weight: is missing"},
           Refused{"PUT", "/api/v1/servers/p/s/weight", "{\"weight\":1001}", "weight: above 1000"},
           Refused{"PUT", "/api/v1/servers/p/s/weight", "{\"weight\":-1}", "weight: not a whole number in range"},
           Refused{"PUT", "/api/v1/servers/p/s/weight", "{\"weight\":99999999999}", "weight: not a whole number in range"},
           Refused{"POST", "/api/v1/pools/p/servers", "{\"name\":\"s\"}", "'address'"},
           Refused{"POST", "/api/v1/pools/p/servers", "{\"name\":\"s\",\"address\":\"1.2.3.4\"}", "'address'"},
           Refused{"POST", "/api/v1/pools/p/servers", "{\"name\":\"s\",\"address\":\"1.2.3.4:0\"}", "has port 0"},
           Refused{"POST", "/api/v1/pools/p/servers", "{\"name\":\"a b\",\"address\":\"1.2.3.4:1\"}", "'name' must be a name"},
           Refused{"POST", "/api/v1/pools/p/servers", "{\"name\":\"Mast-4\",\"address\":\"1.2.3.4:1\"}", "'name' must be a name"},
           Refused{"POST", "/api/v1/pools/p/servers", "{\"name\":\"s\",\"address\":\"-x..y:80\"}", "not a host name"},
           Refused{"POST", "/api/v1/pools/p/servers", "{\"name\":\"s\",\"address\":\"1.2.3.4:1\",\"wieght\":1}", "wieght: unknown key"},
           Refused{"DELETE", "/api/v1/servers/p/a%0Ab", "", "control character"},
           Refused{"DELETE", "/api/v1/servers/p/a%2Fb", "", "'/'"},
           Refused{"POST", "/api/v1/connections/kill", "", "no filter"},
           Refused{"POST", "/api/v1/connections/kill", "{\"all\":true,\"pool\":\"p\"}", "beside a filter"},
           Refused{"POST", "/api/v1/reload", "{\"dry_run\":\"yes\"}", "dry_run: not true or false"},
           Refused{"POST", "/api/v1/dhcp/release", "", "address: is missing"},
           Refused{"POST", "/api/v1/dhcp/release", "{\"address\":\"mast-1\"}", "address: "},
           Refused{"POST", "/api/v1/dhcp/release", "{\"address\":\"192.168.1.300\"}", "address: "},
           Refused{"POST", "/api/v1/dhcp/release", "{\"address\":7}", "address: not a string"},
           Refused{"POST", "/api/v1/dhcp/release", "{\"adress\":\"192.168.1.1\"}", "adress: unknown key"},
       }) {
    const auto command = decode({method, target, body});
    ASSERT_FALSE(command) << target << " " << body;
    EXPECT_EQ(command.error().code, Errc::kInvalidArgument) << target << " " << body;
    EXPECT_NE(command.error().context.find(says), std::string::npos) << command.error().context << " for " << body;
  }
}

TEST(CommandCodec, AnOverlongNameIsRefused) { EXPECT_FALSE(decode({"DELETE", "/api/v1/servers/p/" + std::string(300, 'a'), ""})); }

}  // namespace
}  // namespace fairlead::admin
