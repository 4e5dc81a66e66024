// The messages between the runtime and the processes of one container: trivially copyable structs,
// one a packet, at most one descriptor beside it. docs/protocol.md has the sequence.
#pragma once

#include <cstdint>
#include <variant>

namespace corten::proto {

// Parent -> child: go on with the next phase.
struct Proceed {
  static constexpr uint32_t kTag = 1;
};
// stage1 -> parent: a new user namespace waits for its maps. Reply: Proceed.
struct MapIdsRequest {
  static constexpr uint32_t kTag = 2;
};
// stage1 -> parent: a new time namespace waits for its offsets. Reply: Proceed.
struct TimeOffsetsRequest {
  static constexpr uint32_t kTag = 3;
};
// stage1 -> parent: it has its namespaces and waits for the cgroups that the parent makes
// meanwhile. Reply: Proceed.
struct CgroupsRequest {
  static constexpr uint32_t kTag = 13;
};
// stage1 -> parent: init exists; stage1 exits after this. pid: in the parent's PID namespace.
struct InitSpawned {
  static constexpr uint32_t kTag = 4;
  int32_t pid;
};
// init -> parent: the mount source `index` (kRootfsIndex = the rootfs, kFirstDeviceIndex + n = a
// node of plan.devices[n]) is out of init's reach or needs a privilege that only the parent has.
// Reply: MountFd with a detached mount.
struct MountFdRequest {
  static constexpr uint32_t kTag = 5;
  uint32_t index;
};
inline constexpr uint32_t kRootfsIndex = UINT32_MAX;
inline constexpr uint32_t kFirstDeviceIndex = 0x80000000;
// parent -> init, with one descriptor.
struct MountFd {
  static constexpr uint32_t kTag = 6;
  uint32_t index;
};
// init -> parent: the rootfs is complete and pivot_root has not happened. Reply: Proceed once the
// prestart and createRuntime hooks have run.
struct HooksRequest {
  static constexpr uint32_t kTag = 7;
};
// init -> parent, with the listener of a SCMP_ACT_NOTIFY filter. Reply: Proceed once it is
// delivered.
struct SeccompListener {
  static constexpr uint32_t kTag = 8;
};
// init -> parent, with the master of the container's terminal. Reply: Proceed.
struct TerminalMaster {
  static constexpr uint32_t kTag = 9;
};
// init -> parent: everything is built. Reply: Proceed after the state "created" is on disk.
struct Ready {
  static constexpr uint32_t kTag = 10;
};
// `start` -> init, on the start socket. Reply: end of file when the program runs, or Failure.
struct Start {
  static constexpr uint32_t kTag = 11;
};
// In place of any message: what went wrong, with the whole context chain. Channel turns it into an
// Error at once, so it is no alternative of Message, which stays a few words long.
struct Failure {
  static constexpr uint32_t kTag = 12;
  int32_t kind;  // ErrorKind
  int32_t errno_value;
  char pointer[256];  // NUL-terminated, cut when longer
  char text[4096];
};

using Message = std::variant<Proceed,
                             MapIdsRequest,
                             TimeOffsetsRequest,
                             InitSpawned,
                             MountFdRequest,
                             MountFd,
                             HooksRequest,
                             SeccompListener,
                             TerminalMaster,
                             Ready,
                             Start,
                             CgroupsRequest>;

}  // namespace corten::proto
