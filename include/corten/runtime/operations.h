// The operations of the runtime, one a file in src/runtime: what the command line and embedding
// programs call. Every function is complete in itself: it opens the store, takes the container's
// lock where the operation changes something, and leaves everything as it was when it fails. Spec:
// runtime.md "Operations". Sentences and exit codes: docs/compatibility.md.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <corten/base/result.h>
#include <corten/plan/plan.h>
#include <corten/spec/config.h>
#include <corten/spec/state.h>

namespace corten::runtime {

// What all operations share: the global options.
struct Context {
  std::string root;  // state root, absolute: "/run/corten"
  plan::CgroupDriver cgroup_driver = plan::CgroupDriver::Cgroupfs;  // for create and run only; the
                                                                    // others use what is stored
};

struct CreateOptions {
  std::string id;
  std::string bundle = ".";    // relative to the working directory
  std::string config;          // "" = <bundle>/config.json
  std::string console_socket;  // "" = none
  std::string pid_file;
  std::string pidfd_socket;
  bool no_pivot = false;
  bool no_new_keyring = false;
  unsigned preserve_fds = 0;  // descriptors 3.. of the caller that stay open in the program
};

// Builds the container; init waits for start(). On success the state is "created", the pid file is
// written and init is a child of the nearest subreaper once this process ends.
// Errors: any; nothing is left behind then and poststop hooks have run if a creation hook failed.
Result<> create(const Context& context, const CreateOptions& options);

// The Plan as JSON, nothing is built.
Result<std::string> dry_run(const Context& context, const CreateOptions& options);

struct RunOptions {
  CreateOptions create;
  bool detach = false;
  bool keep = false;  // do not delete when the program has ended
  bool no_subreaper = false;
};

// create + start; attached: forwards signals, terminal and window size, waits, deletes.
// Returns the program's exit status as a shell says it (128 + signal); 0 when detached.
Result<int> run(const Context& context, const RunOptions& options);

// Lets the program run. Returns when execve(2) has happened and the poststart hooks are done.
// Errors: NotFound "container does not exist"; WrongState "cannot start an already running
// container", "cannot start a container that has stopped"; whatever stopped the program: then the
// container is destroyed and its poststop hooks have run (RT-017, RT-020).
Result<> start(const Context& context, const std::string& id);

// Errors: NotFound.
Result<spec::State> state(const Context& context, const std::string& id);

enum class KillAll : uint8_t { No, Yes };
// Sends `signal` to init, or to every process of the container's cgroup.
// Without an own PID namespace SIGKILL always goes to all. With KillAll a stopped container is no
// error. Errors: NotFound; WrongState "container not running".
Result<> kill(const Context& context, const std::string& id, int signal, KillAll all);

enum class Force : uint8_t { No, Yes };
// Destroys the container and runs the poststop hooks.
// Force: kills it first, and an unknown id is no error. Works from the record alone after any
// crash. Errors: NotFound; WrongState "cannot delete container X that is not stopped: running".
Result<> remove(const Context& context, const std::string& id, Force force);

struct ListEntry {
  std::string id;
  Result<spec::State> state;  // an unreadable entry is an error of its own, the list goes on
};
// Sorted by id. A missing root is an empty list.
Result<std::vector<ListEntry>> list(const Context& context);

struct ExecOptions {
  std::string id;
  std::optional<std::string> process_json;  // text of --process
  // Argument form: the container's own process with these replaced.
  std::vector<std::string> args;
  std::optional<std::string> cwd;
  std::vector<std::string> env;                                      // added
  std::optional<std::pair<uint32_t, std::optional<uint32_t>>> user;  // uid and, when given, gid
  std::vector<uint32_t> additional_gids;
  std::vector<std::string> capabilities;  // added to bounding, effective, permitted
  std::optional<std::string> apparmor;
  std::optional<std::string> process_label;
  std::optional<bool> no_new_privileges;
  std::optional<uint32_t> umask;
  bool tty = false;
  // Both forms.
  std::vector<std::string> cgroups;  // --cgroup: "path" (v2) or "controller[,controller]:path"
  bool detach = false;
  bool ignore_paused = false;
  std::string console_socket;
  std::string pid_file;
  std::string pidfd_socket;
  unsigned preserve_fds = 0;
};
// Runs another process in a running container. Returns its exit status as a shell says it, 0 when
// detached. Errors: WrongState "cannot exec in a stopped container", "cannot exec in a paused
// container (use
// --ignore-paused to override)".
Result<int> exec(const Context& context, const ExecOptions& options);

// Errors: WrongState "container not running".
Result<> pause(const Context& context, const std::string& id);
Result<> resume(const Context& context, const std::string& id);

// Pids, in the runtime's PID namespace, of all processes of the container.
Result<std::vector<pid_t>> ps(const Context& context, const std::string& id);

// Changes limits; what `resources` and the schemas of `rdt` do not name stays as it is.
Result<> update(const Context& context,
                const std::string& id,
                const spec::Resources& resources,
                const spec::IntelRdt& rdt);

// What checkpoint and restore hand on to CRIU. Paths are absolute but for parent_path.
struct CriuOptions {
  std::string image_path;
  std::string work_path;            // for logs and the like; "" = image_path
  std::string parent_path;          // of an earlier pre-dump, relative to image_path
  std::string manage_cgroups_mode;  // "soft", "full", "strict", "ignore"; "" = CRIU's default
  std::string network_lock;         // "iptables", "nftables", "skip"; "" = CRIU's default
  std::string page_server;          // "ADDRESS:PORT"
  std::vector<std::string> empty_namespaces;  // "network"
  bool leave_running = false;
  bool pre_dump = false;
  bool tcp_established = false;
  bool tcp_skip_in_flight = false;
  bool tcp_close = false;
  bool ext_unix_sk = false;
  bool shell_job = false;
  bool file_locks = false;
  bool link_remap = false;
  bool lazy_pages = false;
  bool auto_dedup = false;
  int status_fd = -1;  // gets one NUL byte when the lazy pages' server is ready
};
// Writes the state of all the container's processes into image files. Without leave_running and
// pre_dump the container is destroyed then and its poststop hooks have run.
// Errors: Unsupported when criu(8) is missing or too old; WrongState "container not running";
// System with the first errors of CRIU's log.
Result<> checkpoint(const Context& context, const std::string& id, const CriuOptions& options);

// Errors: Unsupported, as checkpoint().
Result<> probe_checkpoint();

struct RestoreOptions {
  RunOptions run;  // id, bundle, console_socket, pid_file, detach, keep
  CriuOptions criu;
  std::string lsm_profile;        // "TYPE:NAME"
  std::string lsm_mount_context;  // SELinux
};
// A new container from the bundle, whose processes come from the images. Returns as run() does.
// The calling process moves into a mount namespace of its own.
Result<int> restore(const Context& context, const RestoreOptions& options);

enum class MountAction : uint8_t { Add, Remove };
// Mounts, or unmounts, what the `mounts` array of the JSON object names, in a running container:
// all of it or, when an entry fails to mount, nothing. Sources are the host's. Not stored: a
// container that is made again from its bundle does not have them. Errors: WrongState "container
// not running"; InvalidSpec with the pointer; System.
Result<> change_mounts(const Context& context,
                       const std::string& id,
                       MountAction action,
                       const std::string& json);

// One line of JSON with the container's statistics, in runc's shape ({"type":"stats",...}).
Result<std::string> stats(const Context& context, const std::string& id);
// Calls `sink` with one JSON line for stats at each interval and for each OOM kill, until the
// container stops. milliseconds: interval, > 0.
Result<> events(const Context& context,
                const std::string& id,
                int milliseconds,
                const std::function<Result<>(const std::string&)>& sink);

}  // namespace corten::runtime
