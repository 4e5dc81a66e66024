#include "hook.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "json_out.h"
#include "posture.h"

namespace checker {
namespace {

std::string link_target(const std::string& path) {
  char target[4096];
  const ssize_t length = readlink(path.c_str(), target, sizeof target);
  return length > 0 ? std::string(target, static_cast<size_t>(length)) : std::string();
}

// The pid that the state on standard input names; 0 when there is none. A full JSON parser is not
// needed for one integer member whose name is unique in the state structure.
long pid_of_state(const std::string& state) {
  const size_t at = state.find("\"pid\"");
  if (at == std::string::npos) return 0;
  const size_t digits = state.find_first_of("0123456789", at);
  return digits == std::string::npos ? 0 : std::strtol(state.c_str() + digits, nullptr, 10);
}

void write_container_process(JsonOut& out, long pid) {
  const std::string directory = "/proc/" + std::to_string(pid);
  out.key("process").open_object();
  out.key("exe").string(link_target(directory + "/exe"));
  std::string command;
  if (read_file((directory + "/cmdline").c_str(), command)) out.key("cmdline").string(command);
  for (const char* type : {"mnt", "net", "pid", "user", "uts", "ipc"}) {
    out.key(std::string("ns_") + type).string(link_target(directory + "/ns/" + type));
  }
  std::string cgroups;
  if (read_file((directory + "/cgroup").c_str(), cgroups)) out.key("cgroup").string(cgroups);
  std::string mounts;
  if (read_file((directory + "/mountinfo").c_str(), mounts)) out.key("mountinfo").string(mounts);
  out.close_object();
}

}  // namespace

int run_hook(int argc, char** argv) {
  if (argc < 2) return 2;
  const std::string state = read_fd(0);
  int exit_status = 0;
  bool hang = false;
  const char* gate = nullptr;
  JsonOut out;
  out.open_object().key("hook").string(argv[0]);
  out.key("state").string(state);
  out.key("args").open_array();
  for (int i = 0; i < argc; ++i) out.string(argv[i]);
  out.close_array();
  write_environment(out);
  write_namespaces(out);
  char cwd[4096];
  out.key("cwd").string(getcwd(cwd, sizeof cwd) != nullptr ? cwd : "");
  out.key("root");
  write_stat(out, "/");
  out.key("exe").string(link_target("/proc/self/exe"));
  write_container_process(out, pid_of_state(state));
  out.key("exists").open_object();
  for (int i = 2; i < argc; ++i) {
    if (std::strncmp(argv[i], "exists=", 7) == 0)
      out.key(argv[i] + 7).boolean(access(argv[i] + 7, F_OK) == 0);
  }
  out.close_object();
  out.key("files").open_object();
  for (int i = 2; i < argc; ++i) {
    std::string content;
    if (std::strncmp(argv[i], "read=", 5) == 0 && read_file(argv[i] + 5, content)) {
      out.key(argv[i] + 5).string(content);
    }
    if (std::strncmp(argv[i], "exit=", 5) == 0) exit_status = std::atoi(argv[i] + 5);
    if (std::strcmp(argv[i], "hang") == 0) hang = true;
    if (std::strncmp(argv[i], "wait=", 5) == 0) gate = argv[i] + 5;
  }
  out.close_object().close_object();
  const int log = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (log < 0) return 3;
  write_all(log, out.text() + "\n");
  close(log);
  if (gate != nullptr) {
    // Blocks until the suite opens the other end of the fifo, then until it closes it.
    const int fifo = open(gate, O_RDONLY | O_CLOEXEC);
    if (fifo >= 0) read_fd(fifo);
  }
  while (hang) pause();
  return exit_status;
}

}  // namespace checker
