// Prints the corosync.conf of a cluster: render_conf vm|fast|min [--qdevice] LINK[,LINK] ...   (one argument for each node, ids from 1)
#include <cstdio>
#include <sstream>
#include <string>

#include "membership/corosync_conf.h"

int main(int argc, char** argv) {
  using namespace fairlead;
  config::Cluster cluster;
  cluster.name = "lab";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (i == 1) {
      cluster.profile = word == "vm"     ? config::TimingProfile::kVm
                        : word == "fast" ? config::TimingProfile::kFast
                                         : config::TimingProfile::kMin;
    } else if (word == "--qdevice") {
      cluster.qdevice.emplace();
      cluster.qdevice->host = "10.77.99.99";
    } else {
      config::Node node;
      node.id = static_cast<std::uint32_t>(cluster.nodes.size() + 1);
      node.name = "node" + std::to_string(node.id);
      std::istringstream links(word);
      for (std::string link; std::getline(links, link, ',');) {
        const auto address = parse_ip_address(link);
        if (!address) return 2;
        node.links.push_back(*address);
      }
      cluster.nodes.push_back(node);
    }
  }
  std::fputs(membership::render_corosync_conf(cluster).text.c_str(), stdout);
  return 0;
}
