// fairlead: pure
// KubeletConfiguration and KubeProxyConfiguration.
#include <limits>

#include "k8s-bootstrap/render/kubeadm_rules.h"
#include "k8s-bootstrap/render/kubeadm_schema.h"

namespace fairlead::bootstrap::kube {
namespace {

FieldType percent() { return integer(0, 100); }
FieldType port() { return integer(0, 65535); }
FieldType not_negative() { return integer(0, std::numeric_limits<std::int32_t>::max()); }
FieldType oom_score() { return integer(-1000, 1000); }

const Shape& logging() {
  static const Shape output{{{"splitStream", flag()}, {"infoBufferSize", quantity()}}, {}};
  static const Shape options{{{"text", object(output)}, {"json", object(output)}}, {}};
  static const Shape module{{{"filePattern", text(), true}, {"verbosity", not_negative(), true}}, {}};
  static const Shape shape{{{"format", text()},
                            {"flushFrequency", any()},  // A duration, or nanoseconds as a number.
                            {"verbosity", not_negative()},
                            {"vmodule", list(object(module))},
                            {"options", object(options)}},
                           {}};
  return shape;
}

std::vector<SchemaField> server_fields() {
  static const Shape enabled{{{"enabled", flag()}}, {}};
  static const Shape webhook{{{"enabled", flag()}, {"cacheTTL", duration()}}, {}};
  static const Shape x509{{{"clientCAFile", text()}}, {}};
  static const Shape authentication{{{"x509", object(x509)}, {"webhook", object(webhook)}, {"anonymous", object(enabled)}}, {}};
  static const Shape cached{{{"cacheAuthorizedTTL", duration()}, {"cacheUnauthorizedTTL", duration()}}, {}};
  static const Shape authorization{{{"mode", word({"AlwaysAllow", "Webhook"})}, {"webhook", object(cached)}}, {}};
  static const Shape tracing{{{"endpoint", text()}, {"samplingRatePerMillion", not_negative()}}, {}};
  return {{"enableServer", flag()},
          {"address", text(ip_address)},
          {"port", integer(1, 65535)},
          {"readOnlyPort", port()},
          {"tlsCertFile", text()},
          {"tlsPrivateKeyFile", text()},
          {"tlsCipherSuites", list(text())},
          {"tlsCurvePreferences", list(int32())},
          {"tlsMinVersion", word({"", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"})},
          {"rotateCertificates", flag()},
          {"serverTLSBootstrap", flag()},
          {"authentication", object(authentication)},
          {"authorization", object(authorization)},
          {"enableDebuggingHandlers", flag()},
          {"enableContentionProfiling", flag()},
          {"healthzPort", port()},
          {"healthzBindAddress", text(ip_address)},
          {"enableSystemLogHandler", flag()},
          {"enableSystemLogQuery", flag()},
          {"enableProfilingHandler", flag()},
          {"enableDebugFlagsHandler", flag()},
          {"logging", object(logging())},
          {"tracing", object(tracing)},
          {"showHiddenMetricsForVersion", text()}};
}

std::vector<SchemaField> pod_fields() {
  static const Shape back_off{{{"maxContainerRestartPeriod", duration()}}, {}};
  static const Shape user_namespaces{{{"idsPerPod", int64()}}, {}};
  return {{"staticPodPath", text()},
          {"podLogsDir", text(absolute_path)},
          {"staticPodURL", text()},
          {"staticPodURLHeader", map(list(text()))},
          {"syncFrequency", duration()},
          {"fileCheckFrequency", duration()},
          {"httpCheckFrequency", duration()},
          {"clusterDomain", text()},
          {"clusterDNS", list(text(ip_address))},
          {"resolvConf", text()},
          {"podCIDR", text()},
          {"hairpinMode", word({"promiscuous-bridge", "hairpin-veth", "none"})},
          {"maxPods", not_negative()},
          {"podsPerCore", not_negative()},
          {"podPidsLimit", int64()},
          {"runOnce", flag()},
          {"runtimeRequestTimeout", duration()},
          {"streamingConnectionIdleTimeout", duration()},
          {"containerRuntimeEndpoint", text()},
          {"imageServiceEndpoint", text()},
          {"registryPullQPS", not_negative()},
          {"registryBurst", not_negative()},
          {"serializeImagePulls", flag()},
          {"maxParallelImagePulls", integer(1, std::numeric_limits<std::int32_t>::max())},
          {"imagePullCredentialsVerificationPolicy",
           word({"NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify"})},
          {"preloadedImagesVerificationAllowlist", list(text())},
          {"imageMinimumGCAge", duration()},
          {"imageMaximumGCAge", duration()},
          {"imageGCHighThresholdPercent", percent()},
          {"imageGCLowThresholdPercent", percent()},
          {"volumeStatsAggPeriod", duration()},
          {"volumePluginDir", text()},
          {"containerLogMaxSize", text()},
          {"containerLogMaxFiles", not_negative()},
          {"containerLogMaxWorkers", not_negative()},
          {"containerLogMonitorInterval", duration()},
          {"crashLoopBackOff", object(back_off)},
          {"seccompDefault", flag()},
          {"userNamespaces", object(user_namespaces)},
          {"allowedUnsafeSysctls", list(text())},
          {"configMapAndSecretChangeDetectionStrategy", word({"Get", "Cache", "Watch"})}};
}

std::vector<SchemaField> resource_fields() {
  static const Shape memory{{{"numaNode", int32(), true}, {"limits", map(quantity()), true}}, {}};
  static const Shape swap{{{"swapBehavior", word({"", "NoSwap", "LimitedSwap"})}}, {}};
  return {{"kubeletCgroups", text()},
          {"systemCgroups", text()},
          {"cgroupRoot", text()},
          {"cgroupsPerQOS", flag()},
          {"cgroupDriver", word({"systemd", "cgroupfs"})},
          {"failCgroupV1", flag()},
          {"singleProcessOOMKill", flag()},
          {"cpuManagerPolicy", word({"none", "static"})},
          {"cpuManagerPolicyOptions", map(text())},
          {"cpuManagerReconcilePeriod", duration()},
          {"draManagerReconcilePeriod", duration()},
          {"memoryManagerPolicy", word({"None", "Static"})},
          {"topologyManagerPolicy", word({"none", "best-effort", "restricted", "single-numa-node"})},
          {"topologyManagerScope", word({"container", "pod"})},
          {"topologyManagerPolicyOptions", map(text())},
          {"qosReserved", map(text())},
          {"cpuCFSQuota", flag()},
          {"cpuCFSQuotaPeriod", duration()},
          {"maxOpenFiles", integer(0, std::numeric_limits<std::int64_t>::max())},
          {"oomScoreAdj", oom_score()},
          {"evictionHard", map(text())},
          {"evictionSoft", map(text())},
          {"evictionSoftGracePeriod", map(text())},
          {"evictionPressureTransitionPeriod", duration()},
          {"evictionMaxPodGracePeriod", int32()},
          {"evictionMinimumReclaim", map(text())},
          {"mergeDefaultEvictionSettings", flag()},
          {"systemReserved", map(text())},
          {"kubeReserved", map(text())},
          {"reservedSystemCPUs", text()},
          {"systemReservedCgroup", text()},
          {"kubeReservedCgroup", text()},
          {"enforceNodeAllocatable",
           list(word({"none", "pods", "system-reserved", "system-reserved-compressible", "kube-reserved", "kube-reserved-compressible"}))},
          {"reservedMemory", list(object(memory))},
          {"memoryThrottlingFactor", number()},
          {"memoryReservationPolicy", word({"None", "TieredReservation"})},
          {"memorySwap", object(swap)},
          {"failSwapOn", flag()},
          {"kernelMemcgNotification", flag()},
          {"localStorageCapacityIsolation", flag()},
          {"protectKernelDefaults", flag()}};
}

std::vector<SchemaField> node_fields() {
  static const Shape by_priority{{{"priority", int32(), true}, {"shutdownGracePeriodSeconds", int64(), true}}, {}};
  return {{"nodeStatusUpdateFrequency", duration()},
          {"nodeStatusReportFrequency", duration()},
          {"nodeLeaseDurationSeconds", integer(1, std::numeric_limits<std::int32_t>::max())},
          {"nodeStatusMaxImages", integer(-1, std::numeric_limits<std::int32_t>::max())},
          {"eventRecordQPS", not_negative()},
          {"eventBurst", not_negative()},
          {"kubeAPIQPS", int32()},
          {"kubeAPIBurst", not_negative()},
          {"contentType", text()},
          {"registerNode", flag()},
          {"registerWithTaints", list(object(taint()))},
          {"providerID", text()},
          {"enableControllerAttachDetach", flag()},
          {"makeIPTablesUtilChains", flag()},
          {"iptablesMasqueradeBit", integer(0, 31)},
          {"iptablesDropBit", integer(0, 31)},
          {"featureGates", map(flag())},
          {"shutdownGracePeriod", duration()},
          {"shutdownGracePeriodCriticalPods", duration()},
          {"shutdownGracePeriodByPodPriority", list(object(by_priority))}};
}

}  // namespace

const Shape& kubelet_configuration() {
  static const Shape shape = [] {
    Shape out;
    for (const auto& part : {server_fields(), pod_fields(), resource_fields(), node_fields()})
      out.fields.insert(out.fields.end(), part.begin(), part.end());
    return out;
  }();
  return shape;
}

const Shape& kube_proxy_configuration() {
  static const Shape client{
      {{"kubeconfig", text()}, {"acceptContentTypes", text()}, {"contentType", text()}, {"qps", number()}, {"burst", int32()}}, {}};
  static const Shape iptables{{{"masqueradeBit", integer(0, 31)},
                               {"masqueradeAll", flag()},
                               {"localhostNodePorts", flag()},
                               {"snatNodeInternalIP", flag()},
                               {"syncPeriod", duration()},
                               {"minSyncPeriod", duration()}},
                              {}};
  static const Shape ipvs{{{"syncPeriod", duration()},
                           {"minSyncPeriod", duration()},
                           {"scheduler", text()},
                           {"excludeCIDRs", list(text(networks))},
                           {"strictARP", flag()},
                           {"tcpTimeout", duration()},
                           {"tcpFinTimeout", duration()},
                           {"udpTimeout", duration()}},
                          {}};
  static const Shape nftables{
      {{"masqueradeBit", integer(0, 31)}, {"masqueradeAll", flag()}, {"syncPeriod", duration()}, {"minSyncPeriod", duration()}}, {}};
  static const Shape conntrack{{{"maxPerCore", not_negative()},
                                {"min", not_negative()},
                                {"tcpEstablishedTimeout", duration()},
                                {"tcpCloseWaitTimeout", duration()},
                                {"tcpBeLiberal", flag()},
                                {"udpTimeout", duration()},
                                {"udpStreamTimeout", duration()}},
                               {}};
  static const Shape winkernel{{{"networkName", text()},
                                {"sourceVip", text()},
                                {"enableDSR", flag()},
                                {"rootHnsEndpointName", text()},
                                {"forwardHealthCheckVip", flag()}},
                               {}};
  static const Shape detect{{{"bridgeInterface", text()}, {"interfaceNamePrefix", text()}}, {}};
  static const Shape shape{{{"featureGates", map(flag())},
                            {"clientConnection", object(client)},
                            {"logging", object(logging())},
                            {"hostnameOverride", text()},
                            {"bindAddress", text(ip_address)},
                            {"healthzBindAddress", text(host_with_port)},
                            {"metricsBindAddress", text(host_with_port)},
                            {"bindAddressHardFail", flag()},
                            {"enableProfiling", flag()},
                            {"showHiddenMetricsForVersion", text()},
                            {"mode", word({"", "iptables", "ipvs", "nftables"})},
                            {"iptables", object(iptables)},
                            {"ipvs", object(ipvs)},
                            {"nftables", object(nftables)},
                            {"winkernel", object(winkernel)},
                            {"detectLocalMode", word({"", "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"})},
                            {"detectLocal", object(detect)},
                            {"clusterCIDR", text(networks)},
                            {"nodePortAddresses", list(text())},
                            {"oomScoreAdj", oom_score()},
                            {"conntrack", object(conntrack)},
                            {"configSyncPeriod", duration()},
                            {"portRange", text()},
                            {"windowsRunAsService", flag()}},
                           {}};
  return shape;
}

}  // namespace fairlead::bootstrap::kube
