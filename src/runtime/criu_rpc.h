// CRIU's messages (images/rpc.proto of CRIU): the fields that corten uses, in protobuf's wire
// format of version 2. Pure. See docs/decisions/0013-own-criu-messages.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <corten/base/result.h>

namespace corten::runtime::criu {

// enum criu_req_type.
enum class Type : uint8_t {
  Empty = 0,
  Dump = 1,
  Restore = 2,
  PreDump = 4,
  Notify = 6,
  FeatureCheck = 9,
  Version = 10
};

// enum criu_cg_mode.
enum class CgroupMode : uint8_t { Ignore = 0, Soft = 3, Full = 4, Strict = 5, Default = 6 };

// enum criu_network_lock_method.
enum class NetworkLock : uint8_t { Iptables = 1, Nftables = 2, Skip = 3 };

// message criu_opts: what is not set is not sent, and CRIU's default holds.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of the message.
struct Options {
  int images_dir_fd = -1;  // of this process: CRIU opens it through /proc
  std::optional<int> pid;
  bool leave_running = false;
  bool ext_unix_sk = false;
  bool tcp_established = false;
  bool evasive_devices = false;
  bool shell_job = false;
  bool file_locks = false;
  int log_level = 4;
  std::string log_file;
  std::string page_server_address;
  int page_server_port = 0;  // 0 = no page server
  bool notify_scripts = false;
  std::string root;
  std::string parent_image;  // relative to the images; tracks memory
  bool auto_dedup = false;
  std::optional<int> work_dir_fd;
  bool link_remap = false;
  std::vector<std::pair<std::string, std::string>> external_mounts;  // key, value
  std::vector<std::pair<std::string, std::string>> cgroup_roots;     // controllers, path
  bool restore_sibling = false;
  std::vector<std::pair<std::string, int>> inherited;  // key, descriptor of the CRIU process
  CgroupMode cgroup_mode = CgroupMode::Default;
  std::vector<std::string> external;
  std::optional<uint32_t> empty_namespaces;                          // CLONE_NEW*
  std::vector<std::pair<std::string, std::string>> join_namespaces;  // "ipc", file
  std::string freeze_cgroup;
  bool tcp_skip_in_flight = false;
  bool tcp_close = false;
  bool lazy_pages = false;
  std::optional<int> status_fd;
  bool orphan_pts_master = false;
  std::string config_file;
  std::string lsm_profile;
  std::string lsm_mount_context;
  std::optional<NetworkLock> network_lock;
};

struct Features {
  bool memory_tracking = false;
  bool lazy_pages = false;
};

// message criu_req. options and features: null = not sent.
std::string encode_request(Type type, const Options* options, const Features* features);
// The answer to a notification.
std::string encode_notify_answer(bool success);

// message criu_resp.
struct Response {
  Type type = Type::Empty;
  bool success = false;
  int error = 0;        // cr_errno
  std::string message;  // cr_errmsg
  int pid = 0;          // of the restored init, or the one that a notification is about
  std::string notification;
  Features features;
  int version = 0;  // major * 10000 + minor * 100 + sublevel
};
// Unknown fields are skipped. Errors: Protocol for text that is not in the wire format.
Result<Response> decode_response(std::string_view bytes);

}  // namespace corten::runtime::criu
