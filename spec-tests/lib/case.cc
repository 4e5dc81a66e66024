#include "case.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>

namespace spec {
namespace fs = std::filesystem;
namespace {

std::string cgroup_parent_name() { return "/ocispec-" + std::to_string(::getpid()); }

std::string shorten(const std::string& text, size_t limit = 4000) {
  return text.size() <= limit ? text : text.substr(0, limit) + " [...]";
}

}  // namespace

Settings& settings() {
  static Settings instance;
  return instance;
}

std::vector<CaseInfo>& all_cases() {
  static std::vector<CaseInfo> cases;
  return cases;
}

bool register_case(CaseInfo info) {
  all_cases().push_back(std::move(info));
  return true;
}

Case::Case(std::string name)
    : bundle(settings().work_directory + "/" + name + "/bundle",
             settings().checker,
             cgroup_parent_name() + "/main"),
      container(*this, bundle, "c" + std::to_string(::getpid()) + "-main"),
      directory_(settings().work_directory + "/" + name),
      cgroup_parent_(cgroup_parent_name()),
      view_(read_cgroup_view()),
      mounts_before_(own_mounts()),
      interfaces_before_(network_interfaces()) {
  fs::create_directories(root());
  fs::create_directories(directory_ + "/log");
  ::chmod(directory_.c_str(), 0755);
  ::chmod((directory_ + "/log").c_str(), 0777);
  make_cgroup_parent(view_, cgroup_parent_);
}

Case::~Case() {
  std::error_code error;
  fs::remove_all(directory_, error);
  remove_cgroup(view_, cgroup_parent_);
}

std::string Case::cgroup_file(const std::string& controller,
                              const std::string& v1_name,
                              const std::string& v2_name) const {
  if (const auto found = view_.v1.find(controller); found != view_.v1.end()) {
    return v1_name.empty() ? "" : found->second + cgroups_path() + "/" + v1_name;
  }
  if (view_.has_v2(controller))
    return v2_name.empty() ? "" : view_.v2 + cgroups_path() + "/" + v2_name;
  return {};
}

Bundle& Case::new_bundle(const std::string& name) {
  return bundles_.emplace_back(directory_ + "/" + name, settings().checker, cgroups_path(name));
}

Container& Case::new_container(Bundle& from, const std::string& id) {
  return containers_.emplace_back(*this, from, id);
}

Json Case::run() {
  container.must_create();
  container.must_start();
  const std::optional<int> status = container.wait_exit();
  if (!status) {
    ADD_FAILURE() << "the container process did not end in time";
    throw CaseAborted("run");
  }
  EXPECT_EQ(*status, 0) << "exit status of the container's program; it wrote: "
                        << shorten(container.output());
  Json document = container.json_output();
  container.must_remove();
  return document;
}

Json Case::report() {
  bundle.set_command({"report"});
  return run();
}

Json Case::perform(const std::vector<std::vector<std::string>>& actions) {
  std::vector<std::string> words = {"do"};
  for (const auto& action : actions) {
    if (words.size() > 1) words.emplace_back("--");
    words.insert(words.end(), action.begin(), action.end());
  }
  bundle.set_command(words);
  return run();
}

void Case::expect_refused(const std::string& why, Refusal when) {
  expect_refused(container, why, when);
}

void Case::expect_refused(Container& subject, const std::string& why, Refusal when) {
  const CommandResult created = subject.create();
  if (!created.ok()) {
    EXPECT_FALSE(created.timed_out) << "create hangs instead of reporting an error: " << why;
    EXPECT_EQ(subject.status(), "") << "create failed, yet a container exists: " << why;
    return;
  }
  if (when == Refusal::AtCreateOrStart) {
    const CommandResult started = subject.start();
    EXPECT_FALSE(started.ok()) << "neither create nor start reports an error: " << why;
    if (started.ok()) subject.wait_exit();
    return;
  }
  ADD_FAILURE() << "create reports no error: " << why;
}

void Case::host_mount(const std::string& source,
                      const std::string& target,
                      const std::string& type,
                      unsigned long flags,
                      const std::string& data) {
  if (::mount(source.c_str(),
              target.c_str(),
              type.c_str(),
              flags,
              data.empty() ? nullptr : data.c_str()) != 0) {
    throw std::runtime_error("the suite cannot mount " + type + " on " + target + ": " +
                             std::strerror(errno));
  }
  if ((flags & (MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE | MS_REMOUNT)) == 0)
    host_mounts_.push_back(target);
}

void Case::add_hook(const std::string& kind,
                    const std::string& name,
                    std::vector<std::string> extra) {
  const bool inside = kind == "startContainer";
  std::vector<std::string> words = {
      "checker", "hook", name, inside ? "/log/hooks" : directory_ + "/log/hooks"};
  words.insert(words.end(), extra.begin(), extra.end());
  if (inside) {
    bool mounted = false;
    for (const Json& mount : bundle.config["mounts"])
      mounted = mounted || mount["destination"] == "/log";
    if (!mounted) {
      bundle.add_mount(
          {{"destination", "/log"}, {"source", directory_ + "/log"}, {"options", {"bind"}}});
    }
  }
  bundle.config["hooks"][kind].push_back({{"path", inside ? "/bin/checker" : settings().checker},
                                          {"args", words},
                                          {"env", {"HOOK=" + name}}});
}

std::vector<Json> Case::hook_log() const {
  std::vector<Json> records;
  std::istringstream lines(read_file(directory_ + "/log/hooks"));
  for (std::string line; std::getline(lines, line);) {
    Json record = Json::parse(line, nullptr, false);
    if (record.is_discarded()) throw std::runtime_error("unreadable hook record: " + line);
    record["state"] = Json::parse(record.value("state", ""), nullptr, false);
    records.push_back(std::move(record));
  }
  return records;
}

std::vector<std::string> Case::hook_names() const {
  std::vector<std::string> names;
  for (const Json& record : hook_log()) names.push_back(record.value("hook", ""));
  return names;
}

std::vector<std::string> Case::command_line(const std::vector<std::string>& arguments) const {
  std::vector<std::string> words = {settings().runtime};
  words.insert(words.end(), settings().arguments.begin(), settings().arguments.end());
  words.insert(words.end(), {"--root", root()});
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

Process Case::start_runtime(const std::vector<std::string>& arguments,
                            const CommandOptions& options) {
  ++commands_;
  const std::string base = directory_ + "/log/" + std::to_string(commands_);
  const Fd out(::open((base + ".out").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  const Fd err(::open((base + ".err").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  SpawnOptions spawn_options;
  spawn_options.argv = command_line(arguments);
  spawn_options.cwd = options.cwd;
  spawn_options.stdout_fd = options.stdout_fd >= 0 ? options.stdout_fd : out.get();
  spawn_options.stderr_fd = err.get();
  spawn_options.before_exec = options.before_exec;
  return spawn(spawn_options);
}

CommandResult Case::finish(Process process, const std::vector<std::string>& arguments) {
  CommandResult result;
  for (const std::string& word : command_line(arguments)) {
    if (!result.command.empty()) result.command += ' ';
    result.command += word.empty() ? "''" : word;
  }
  const std::optional<int> status = process.wait(settings().timeout);
  if (status) {
    result.status = shell_status(*status);
  } else {
    result.timed_out = true;
    process.kill();
    process.wait(Milliseconds(5000));
  }
  const std::string base = directory_ + "/log/" + std::to_string(commands_);
  result.out = read_file(base + ".out");
  result.err = read_file(base + ".err");
  note("$ " + result.command + "\n  -> " +
       (result.timed_out ? "killed after the time limit" : std::to_string(result.status)) +
       (result.out.empty() ? "" : "\n  stdout: " + shorten(result.out)) +
       (result.err.empty() ? "" : "\n  stderr: " + shorten(result.err)));
  return result;
}

CommandResult Case::runtime(const std::vector<std::string>& arguments,
                            const CommandOptions& options) {
  return finish(start_runtime(arguments, options), arguments);
}

void Case::finish_case() {
  std::string problems;
  const auto add = [&problems](const std::string& text) {
    if (!text.empty()) problems += (problems.empty() ? "" : "; ") + text;
  };
  for (auto item = containers_.rbegin(); item != containers_.rend(); ++item) add(item->clean_up());
  add(container.clean_up());
  add(find_lost_mounts());
  for (auto action = at_end_.rbegin(); action != at_end_.rend(); ++action) (*action)();
  for (auto target = host_mounts_.rbegin(); target != host_mounts_.rend(); ++target) {
    ::umount2(target->c_str(), MNT_DETACH);
  }
  add(find_leftovers());
  if (!problems.empty()) {
    ADD_FAILURE() << "RT-024 RT-050: the environment is not as it was: " << problems;
  }
}

// Live children of the suite are processes that the runtime left: the suite is their subreaper.
std::string Case::leftover_processes() {
  std::string found;
  for (;;) {
    int status = 0;
    const pid_t reaped = ::waitpid(-1, &status, WNOHANG);
    if (reaped > 0) continue;
    if (reaped < 0) return found;
    std::istringstream children(
        read_file("/proc/self/task/" + std::to_string(::getpid()) + "/children"));
    pid_t child = 0;
    if (!(children >> child)) return found;
    const Fd pidfd = open_pidfd(child);
    if (!wait_readable(pidfd.get(), Milliseconds(1000))) {
      std::string command = read_file("/proc/" + std::to_string(child) + "/cmdline");
      std::replace(command.begin(), command.end(), '\0', ' ');
      found +=
          (found.empty() ? "" : ", ") + ("process " + std::to_string(child) + " (" + command + ")");
      ::kill(child, SIGKILL);
      wait_readable(pidfd.get(), Milliseconds(5000));
    }
    ::waitpid(child, &status, 0);
  }
}

std::string Case::find_leftovers() {
  std::string found = leftover_processes();
  const auto add = [&found](const std::string& text) {
    found += (found.empty() ? "" : ", ") + text;
  };
  for (const std::string& point : view_.mount_points()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(point + cgroup_parent_, error)) {
      if (entry.is_directory(error)) add("cgroup " + entry.path().string());
    }
  }
  std::set<int> before;
  for (const MountEntry& mount : mounts_before_) before.insert(mount.id);
  std::vector<MountEntry> now = own_mounts();
  for (auto mount = now.rbegin(); mount != now.rend(); ++mount) {
    if (before.contains(mount->id)) continue;
    add("mount of " + mount->fstype + " on " + mount->target);
    ::umount2(mount->target.c_str(), MNT_DETACH);
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(root(), error)) {
    const std::string name = entry.path().filename();
    bool ours = name == container.id();
    for (const Container& other : containers_) ours = ours || name == other.id();
    if (ours) add("state " + entry.path().string());
  }
  for (const std::string& name : network_interfaces()) {
    if (std::find(interfaces_before_.begin(), interfaces_before_.end(), name) ==
        interfaces_before_.end()) {
      add("network interface " + name);
    }
  }
  return found;
}

// Mounts of the suite that a runtime took away, as unmounting the container's view of a shared tree
// would.
std::string Case::find_lost_mounts() const {
  std::set<int> ids;
  std::set<std::string> targets;
  for (const MountEntry& mount : own_mounts()) {
    ids.insert(mount.id);
    targets.insert(mount.target);
  }
  std::string found;
  const auto add = [&found](const std::string& target) {
    found += (found.empty() ? "" : ", ") + ("the mount on " + target + " is gone");
  };
  for (const MountEntry& mount : mounts_before_) {
    if (!ids.contains(mount.id)) add(mount.target);
  }
  for (const std::string& target : host_mounts_) {
    if (!targets.contains(target)) add(target);
  }
  return found;
}

std::optional<MountEntry> mount_at(const Json& report, const std::string& target) {
  std::optional<MountEntry> found;
  for (const Json& line : report.at("mountinfo")) {
    MountEntry entry = parse_mount_line(line.get<std::string>());
    if (entry.target == target) found = std::move(entry);
  }
  return found;
}

bool contains(const Json& array, const Json& value) {
  return std::find(array.begin(), array.end(), value) != array.end();
}

}  // namespace spec
