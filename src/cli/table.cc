// Every command and every option. docs/compatibility.md says what peers have.
#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <seccomp.h>

#include "command.h"
#include "version.h"
#include <corten/base/strings.h>
#include <corten/spec/parse.h>

namespace corten::cli {

namespace {

constexpr Option kGlobal[] = {
    {"root",
     0,
     Takes::Value,
     "DIR",
     "where the containers' states are kept (default: /run/corten, or $XDG_RUNTIME_DIR/corten for "
     "ordinary users)"},
    {"log", 0, Takes::Value, "FILE", "append errors and warnings to FILE"},
    {"log-format", 0, Takes::Value, "text|json", "form of the lines in the log"},
    {"log-level", 0, Takes::Value, "LEVEL", "debug, info, warning or error"},
    {"debug", 0, Takes::Nothing, "", "log everything"},
    {"systemd-cgroup",
     's',
     Takes::Nothing,
     "",
     "let systemd make the cgroups; cgroupsPath is \"slice:prefix:name\""},
    {"cgroup-manager", 0, Takes::Value, "MANAGER", "cgroupfs, systemd or disabled"},
    {"rootless", 0, Takes::OptionalValue, "", ""},
    {"version", 'v', Takes::Nothing, "", "show the version"},
    {"help", 'h', Takes::Nothing, "", "show this help"},
    {"criu", 0, Takes::Value},  // of old runc
    {"V"},                      // crun's -V
};

constexpr Option kHelp = {"help", 'h', Takes::Nothing, "", "show this help"};

constexpr Option kCreate[] = {
    {"bundle", 'b', Takes::Value, "DIR", "the bundle (default: the working directory)"},
    {"config", 'f', Takes::Value, "FILE", "use FILE in place of the bundle's config.json"},
    {"console-socket", 0, Takes::Value, "PATH", "UNIX socket that receives the terminal's master"},
    {"pidfd-socket",
     0,
     Takes::Value,
     "PATH",
     "UNIX socket that receives a pidfd of the container's init"},
    {"pid-file", 0, Takes::Value, "FILE", "write the pid of the container's init to FILE"},
    {"no-pivot",
     0,
     Takes::Nothing,
     "",
     "do not use pivot_root(2): for hosts that run from a ramdisk"},
    {"no-new-keyring", 0, Takes::Nothing, "", "keep the caller's session keyring"},
    {"preserve-fds", 0, Takes::Value, "N", "pass the descriptors 3 to 2+N on to the program"},
    {"dry-run", 0, Takes::Nothing, "", "print what would be done, as JSON, and do nothing"},
    {"no-subreaper"},
    kHelp,
};

constexpr Option kRunOnly[] = {
    {"detach", 'd', Takes::Nothing, "", "return when the program runs"},
    {"keep", 0, Takes::Nothing, "", "do not delete the container when its program has ended"},
};

template <std::size_t A, std::size_t B>
constexpr std::array<Option, A + B> join(const Option (&a)[A], const Option (&b)[B]) {
  std::array<Option, A + B> all{};
  std::copy(b, b + B, std::copy(a, a + A, all.begin()));
  return all;
}
constexpr auto kRun = join(kRunOnly, kCreate);

constexpr Option kHelpOnly[] = {kHelp};
constexpr Option kKill[] = {
    {"all", 'a', Takes::Nothing, "", "signal every process of the container"},
    {"regex",
     'r',
     Takes::Nothing,
     "",
     "every container whose ID matches the extended regular expression ID"},
    kHelp};
constexpr Option kDelete[] = {
    {"force", 'f', Takes::Nothing, "", "kill the container first; an unknown ID is no error"},
    {"regex",
     'r',
     Takes::Nothing,
     "",
     "every container whose ID matches the extended regular expression ID"},
    kHelp};
constexpr Option kList[] = {{"format", 'f', Takes::Value, "table|json", "form of the output"},
                            {"quiet", 'q', Takes::Nothing, "", "IDs only"},
                            kHelp};
constexpr Option kPs[] = {{"format", 'f', Takes::Value, "table|json", "form of the output"}, kHelp};
constexpr Option kSpec[] = {
    {"bundle",
     'b',
     Takes::Value,
     "DIR",
     "where to write config.json (default: the working directory)"},
    {"file", 'f', Takes::Value, "FILE", "write to FILE"},
    {"config", 0, Takes::Value},
    {"rootless", 0, Takes::Nothing, "", "for an ordinary user: a user namespace, no cgroup limits"},
    kHelp};
constexpr Option kExec[] = {
    {"process",
     'p',
     Takes::Value,
     "FILE",
     "the process as JSON, in the form of config.json's /process"},
    {"detach", 'd', Takes::Nothing, "", "return when the process runs"},
    {"tty", 't', Takes::Nothing, "", "give the process a terminal"},
    {"console-socket", 0, Takes::Value, "PATH", "UNIX socket that receives the terminal's master"},
    {"pid-file", 0, Takes::Value, "FILE", "write the process's pid to FILE once it runs"},
    {"pidfd-socket", 0, Takes::Value, "PATH", "UNIX socket that receives a pidfd of the process"},
    {"preserve-fds", 0, Takes::Value, "N", "pass the descriptors 3 to 2+N on to the process"},
    {"cwd", 0, Takes::Value, "DIR", "working directory in the container"},
    {"env", 'e', Takes::Value, "NAME=VALUE", "add to the environment"},
    {"user", 'u', Takes::Value, "UID[:GID]", "numbers only"},
    {"additional-gids", 'g', Takes::Value, "GID", "add a group"},
    {"cap", 'c', Takes::Value, "CAP", "add a capability"},
    {"apparmor", 0, Takes::Value, "PROFILE", "AppArmor profile"},
    {"process-label", 0, Takes::Value, "LABEL", "SELinux label"},
    {"no-new-privs", 0, Takes::Nothing, "", "set no_new_privs"},
    {"umask", 0, Takes::Value, "OCTAL", "file mode creation mask"},
    {"cgroup",
     0,
     Takes::Value,
     "[CONTROLLER,...:]PATH",
     "enter the cgroup PATH below the container's; may be repeated"},
    {"ignore-paused", 0, Takes::Nothing, "", "do not refuse when the container is paused"},
    {"no-subreaper", 0, Takes::Nothing, "", ""},
    kHelp};
constexpr Option kUpdate[] = {
    {"resources", 'r', Takes::Value, "FILE", "linux.resources as JSON; - = standard input"},
    {"blkio-weight", 0, Takes::Value, "N", "block I/O weight, 10 to 1000"},
    {"cpu-period", 0, Takes::Value, "US", "CFS period"},
    {"cpu-quota", 0, Takes::Value, "US", "CFS quota, -1 = none"},
    {"cpu-burst", 0, Takes::Value, "US", "CFS burst"},
    {"cpu-share", 0, Takes::Value, "N", "CPU shares"},
    {"cpu-rt-period", 0, Takes::Value, "US", "realtime period"},
    {"cpu-rt-runtime", 0, Takes::Value, "US", "realtime runtime"},
    {"cpu-idle", 0, Takes::Value, "0|1", "SCHED_IDLE for the whole cgroup"},
    {"cpuset-cpus", 0, Takes::Value, "LIST", "CPUs"},
    {"cpuset-mems", 0, Takes::Value, "LIST", "memory nodes"},
    {"memory", 0, Takes::Value, "BYTES", "memory limit; K, M and G are understood; -1 = none"},
    {"memory-reservation", 0, Takes::Value, "BYTES", "soft limit"},
    {"memory-swap", 0, Takes::Value, "BYTES", "limit of memory and swap together"},
    {"pids-limit", 0, Takes::Value, "N", "number of processes, -1 = no limit"},
    {"kernel-memory", 0, Takes::Value, "BYTES", ""},
    {"kernel-memory-tcp", 0, Takes::Value, "BYTES", ""},
    {"l3-cache-schema", 0, Takes::Value, "LINE", "schema of the L3 cache for Intel RDT"},
    {"mem-bw-schema", 0, Takes::Value, "LINE", "schema of the memory bandwidth for Intel RDT"},
    kHelp};
constexpr Option kEvents[] = {
    {"stats", 0, Takes::Nothing, "", "print the statistics once and end"},
    {"interval", 0, Takes::Value, "TIME", "time between two statistics (default: 5s)"},
    kHelp};
constexpr Option kImagePath = {
    "image-path", 0, Takes::Value, "DIR", "where the image files are (default: ./checkpoint)"};
constexpr Option kWorkPath = {
    "work-path", 0, Takes::Value, "DIR", "where CRIU keeps its log (default: the images)"};
constexpr Option kTcpEstablished = {
    "tcp-established", 0, Takes::Nothing, "", "with open TCP connections"};
constexpr Option kExtUnixSk = {
    "ext-unix-sk", 0, Takes::Nothing, "", "with UNIX sockets that lead outside"};
constexpr Option kShellJob = {
    "shell-job", 0, Takes::Nothing, "", "with a terminal or session of outside"};
constexpr Option kFileLocks = {"file-locks", 0, Takes::Nothing, "", "with file locks"};
constexpr Option kCgroupsMode = {"manage-cgroups-mode",
                                 0,
                                 Takes::Value,
                                 "soft|full|strict|ignore",
                                 "how CRIU treats the cgroups"};
constexpr Option kEmptyNs = {
    "empty-ns", 0, Takes::Value, "network", "leave out what is in this namespace"};
constexpr Option kLazyPages = {
    "lazy-pages", 0, Takes::Nothing, "", "move the memory later, page by page"};
constexpr Option kAutoDedup = {
    "auto-dedup", 0, Takes::Nothing, "", "drop from the parent images what newer ones have"};
constexpr Option kNetworkLock = {"network-lock",
                                 0,
                                 Takes::Value,
                                 "iptables|nftables|skip",
                                 "how connections are held still meanwhile"};
constexpr Option kCheckpoint[] = {
    kImagePath,
    kWorkPath,
    {"leave-running", 0, Takes::Nothing, "", "let the container run on"},
    {"pre-dump", 0, Takes::Nothing, "", "dump the memory only; the container runs on"},
    {"parent-path",
     0,
     Takes::Value,
     "DIR",
     "images of an earlier pre-dump, relative to --image-path"},
    kTcpEstablished,
    {"tcp-skip-in-flight", 0, Takes::Nothing, "", "leave out TCP connections that are being made"},
    kExtUnixSk,
    kShellJob,
    kFileLocks,
    {"link-remap", 0, Takes::Nothing, "", "with files that were deleted while open"},
    kCgroupsMode,
    kEmptyNs,
    kLazyPages,
    {"status-fd",
     0,
     Takes::Value,
     "FD",
     "write one NUL byte to FD when the server of --lazy-pages is ready"},
    {"page-server", 0, Takes::Value, "ADDRESS:PORT", "send the memory to a page server"},
    kAutoDedup,
    kNetworkLock,
    {"no-subreaper"},
    kHelp};
constexpr Option kRestore[] = {
    {"bundle", 'b', Takes::Value, "DIR", "the bundle (default: the working directory)"},
    kImagePath,
    kWorkPath,
    {"detach", 'd', Takes::Nothing, "", "return when the container runs"},
    {"pid-file", 0, Takes::Value, "FILE", "write the pid of the container's init to FILE"},
    {"console-socket", 0, Takes::Value, "PATH", "UNIX socket that receives the terminal's master"},
    kTcpEstablished,
    {"tcp-close", 0, Takes::Nothing, "", "restore TCP connections as closed"},
    kExtUnixSk,
    kShellJob,
    kFileLocks,
    kCgroupsMode,
    kEmptyNs,
    kLazyPages,
    kAutoDedup,
    kNetworkLock,
    {"lsm-profile", 0, Takes::Value, "TYPE:NAME", "apparmor:NAME or selinux:LABEL"},
    {"lsm-mount-context", 0, Takes::Value, "CONTEXT", "SELinux context of the mounts"},
    {"parent-path", 0, Takes::Value},
    {"no-pivot"},
    {"no-new-keyring"},
    {"no-subreaper"},
    kHelp};

constexpr std::size_t kAny = 4096;

constexpr Command kCommands[] = {
    {"create",
     "ID",
     "build a container; its program waits for start",
     "corten create --bundle /srv/web --pid-file /run/web.pid web",
     kCreate,
     1,
     1,
     create_command,
     Order::Anywhere,
     EntersContainer::Yes},
    {"start",
     "ID",
     "let the program of a created container run",
     "corten start web",
     kHelpOnly,
     1,
     1,
     start_command},
    {"state",
     "ID",
     "print the container's state as JSON",
     "corten state web",
     kHelpOnly,
     1,
     1,
     state_command},
    {"kill",
     "ID [SIGNAL]",
     "send a signal (default: TERM) to the container's program",
     "corten kill web KILL\ncorten kill --all web 15\ncorten kill --regex '^web-' TERM",
     kKill,
     1,
     2,
     kill_command},
    {"delete",
     "ID",
     "remove a stopped container",
     "corten delete web\ncorten delete --force web",
     kDelete,
     1,
     1,
     delete_command},
    {"run",
     "ID",
     "create and start; attached unless --detach is given",
     "corten run --bundle /srv/shell shell",
     kRun,
     1,
     1,
     run_command,
     Order::Anywhere,
     EntersContainer::Yes},
    {"list",
     "",
     "list the containers",
     "corten list\ncorten list --format json",
     kList,
     0,
     0,
     list_command},
    {"exec",
     "ID COMMAND [ARGUMENT...] | --process FILE ID",
     "run another process in a running container",
     "corten exec -t web /bin/sh\ncorten exec --process process.json --detach web",
     kExec,
     1,
     kAny,
     exec_command,
     Order::BeforeArguments,
     EntersContainer::Yes,
     255},
    {"pause",
     "ID",
     "freeze all processes of a container",
     "corten pause web",
     kHelpOnly,
     1,
     1,
     pause_command},
    {"resume",
     "ID",
     "thaw a paused container",
     "corten resume web",
     kHelpOnly,
     1,
     1,
     resume_command},
    {"ps",
     "ID [PS-OPTION...]",
     "list the processes of a container",
     "corten ps web\ncorten ps web -o pid,rss,args\ncorten ps --format json web",
     kPs,
     1,
     kAny,
     ps_command,
     Order::BeforeArguments,
     EntersContainer::No,
     1,
     0},
    {"update",
     "ID",
     "change resource limits",
     "corten update --memory 512M web\necho '{\"pids\":{\"limit\":50}}' | corten update -r - web",
     kUpdate,
     1,
     1,
     update_command},
    {"events",
     "ID",
     "print statistics and out-of-memory events, one JSON object a line",
     "corten events --stats web\ncorten events --interval 10s web",
     kEvents,
     1,
     1,
     events_command},
    {"mounts",
     "add|remove ID FILE",
     "mount or unmount in a running container what FILE (- = standard input) lists, as \"mounts\" "
     "in config.json does",
     "echo '{\"mounts\":[{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"/srv/data\","
     "\"options\":[\"bind\"]}]}' | corten mounts add web -\n"
     "corten mounts remove web mounts.json",
     kHelpOnly,
     3,
     3,
     mounts_command},
    {"spec",
     "",
     "write a config.json to start from",
     "corten spec --bundle /srv/web",
     kSpec,
     0,
     0,
     spec_command},
    {"features",
     "",
     "print what this runtime supports, as JSON",
     "corten features",
     kHelpOnly,
     0,
     0,
     features_command},
    {"checkpoint",
     "ID",
     "write the state of a running container into image files, with CRIU",
     "corten checkpoint --image-path /srv/images web\n"
     "corten checkpoint --leave-running --tcp-established web",
     kCheckpoint,
     1,
     1,
     checkpoint_command},
    {"restore",
     "ID",
     "make a container from the image files of a checkpoint",
     "corten restore --detach --image-path /srv/images --bundle /srv/web web",
     kRestore,
     1,
     1,
     restore_command,
     Order::Anywhere,
     EntersContainer::Yes},
};

std::string indented(std::string_view lines) {
  std::string text;
  for (const auto line : split(lines, '\n')) text += fmt::format("  {}\n", line);
  return text;
}

void append_options(std::string& text, std::span<const Option> options) {
  for (const auto& option : options) {
    if (option.help.empty()) continue;
    const std::string letter = option.letter != 0 ? fmt::format("-{}, ", option.letter) : "    ";
    const std::string value =
        option.takes == Takes::Value ? fmt::format(" {}", option.value_name) : "";
    text += fmt::format(
        "  {}{:<28} {}\n", letter, fmt::format("--{}{}", option.name, value), option.help);
  }
}

}  // namespace

std::span<const Command> commands() { return kCommands; }
std::span<const Option> global_options() { return kGlobal; }

const Command* find_command(std::string_view name) {
  for (const auto& command : kCommands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

std::string command_help(const Command& command, std::string_view program) {
  std::string text =
      fmt::format("Usage: {} [GLOBAL-OPTION...] {} [OPTION...] {}\n\n{}\n\nOptions:\n",
                  program,
                  command.name,
                  command.arguments,
                  command.summary);
  append_options(text, command.options);
  if (!command.example.empty()) text += fmt::format("\nExamples:\n{}", indented(command.example));
  return text;
}

std::string program_help(std::string_view program) {
  std::string text = fmt::format(
      "Usage: {} [GLOBAL-OPTION...] COMMAND [OPTION...] [ARGUMENT...]\n\nAn OCI container "
      "runtime.\n\nCommands:\n",
      program);
  for (const auto& command : kCommands)
    text += fmt::format("  {:<12} {}\n", command.name, command.summary);
  text += "\nGlobal options:\n";
  append_options(text, kGlobal);
  text += fmt::format("\n`{} COMMAND --help` tells more about a command.\n", program);
  return text;
}

// go-runc wants "<name> version " first when it believes to talk to runc; Docker takes the line
// with the word "version", and "commit:".
std::string version_text(std::string_view program) {
  const scmp_version* libseccomp = seccomp_version();
  return fmt::format("{} version {}\ncommit: {}\nspec: {}\nlibseccomp: {}.{}.{}\n",
                     program,
                     kVersion,
                     kCommit,
                     spec::kOciVersionMax,
                     libseccomp->major,
                     libseccomp->minor,
                     libseccomp->micro);
}

}  // namespace corten::cli
