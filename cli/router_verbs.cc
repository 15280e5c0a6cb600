#include "cli/router_verbs.h"

#include <fmt/format.h>
#include <ostream>
#include <random>

#include "admin/router_codec.h"

namespace fairlead::cli {

void RouterVerbs::show() {
  const std::string document = calls_.fetch("/api/v1/router");
  if (calls_.print_document(document)) return;
  const auto report = decoded(admin::decode_router(document));
  const bool same = report.state == "in force";
  environment_.out << report.summary << "\n";
  if (!report.sync.empty()) environment_.out << report.sync << "\n";
  if (!report.in_force.empty()) {
    environment_.out << "\nin force:\n" << report.in_force;
  } else if (!report.of_file.empty()) {
    environment_.out << "\nin force: no rules\n";
  }
  if (!same && !report.of_file.empty()) environment_.out << "\nof the file:\n" << report.of_file;
}

std::string RouterVerbs::session() const {
  // Over HTTPS each run of this program is a connection of its own.
  if (!calls_.options().connect.server.empty()) return fmt::format("api {:08x}{:08x}", std::random_device()(), std::random_device()());
  return environment_.ssh_session();
}

void RouterVerbs::apply(bool confirm) {
  if (confirm) return calls_.execute(admin::ConfirmRouter{session()});
  calls_.execute(admin::ApplyRouter{calls_.options().yes, session()});
}

}  // namespace fairlead::cli
