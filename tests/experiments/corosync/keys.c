/* Question G: prints the cmap keys a client needs, with their types, by the calls it would use. */
#include <corosync/cmap.h>
#include <corosync/corotypes.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char* const kTypes[] = {"-", "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "float", "double", "string", "binary"};

static void show(cmap_handle_t map, const char* key) {
  char bytes[256] = {0};
  size_t length = sizeof bytes - 1;
  cmap_value_types_t type;
  cs_error_t rc = cmap_get(map, key, bytes, &length, &type);
  uint64_t number = 0;
  if (rc != CS_OK) {
    printf("%-60s cs_error %d\n", key, rc);
    return;
  }
  memcpy(&number, bytes, length < 8 ? length : 8);
  if (type == CMAP_VALUETYPE_STRING)
    printf("%-60s %s \"%s\"\n", key, kTypes[type], bytes);
  else
    printf("%-60s %s %" PRIu64 "\n", key, kTypes[type], number);
}

int main(void) {
  cmap_handle_t config, stats;
  cmap_iter_handle_t walk;
  char key[CMAP_KEYNAME_MAXLEN + 1];
  if (cmap_initialize(&config) != CS_OK || cmap_initialize_map(&stats, CMAP_MAP_STATS) != CS_OK) return 1;
  static const char* const keys[] = {"runtime.config.totem.token",
                                     "runtime.config.totem.consensus",
                                     "runtime.config.totem.hold",
                                     "runtime.config.totem.token_retransmit",
                                     "runtime.config.totem.join",
                                     "runtime.config.totem.merge",
                                     "runtime.config.totem.seqno_unchanged_const",
                                     "totem.token",
                                     "totem.consensus",
                                     "totem.cluster_name",
                                     "quorum.two_node",
                                     "quorum.wait_for_all",
                                     "runtime.votequorum.two_node",
                                     "runtime.votequorum.wait_for_all",
                                     "runtime.votequorum.this_node_id",
                                     "nodelist.local_node_pos",
                                     "nodelist.node.0.nodeid",
                                     "runtime.members.2.status"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) show(config, keys[i]);
  static const char* const prefixes[] = {"stats.knet.node", "stats.srp."};
  for (int p = 0; p < 2; p++) {
    size_t length;
    cmap_value_types_t type;
    if (cmap_iter_init(stats, prefixes[p], &walk) != CS_OK) return 1;
    while (cmap_iter_next(stats, walk, key, &length, &type) == CS_OK)
      if (p == 1 ? strstr(key, "time_since") || strstr(key, "continuous") || strstr(key, "gather_entered") || strstr(key, "token_lost")
                 : strstr(key, "connected") || strstr(key, "enabled") || strstr(key, "_count") || strstr(key, "latency_ave"))
        show(stats, key);
    cmap_iter_finalize(stats, walk);
  }
  cmap_finalize(config);
  cmap_finalize(stats);
  return 0;
}
