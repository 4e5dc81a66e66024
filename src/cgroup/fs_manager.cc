#include "fs_manager.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

#include <fmt/format.h>

#include "device_filter.h"
#include <corten/base/strings.h>
#include <corten/sys/file.h>
#include <corten/sys/process.h>

namespace corten::cgroup {

namespace {

constexpr int kFreezeDeadlineMs = 5000;
constexpr int kShortestPauseMs = 1;
constexpr int kLongestPauseMs = 20;

int64_t now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

void pause_ms(int milliseconds) {
  const timespec pause{0, long{milliseconds} * 1000000};
  ::nanosleep(&pause, nullptr);
}

// v1 tells nothing when a state is reached: asked again with growing pauses. False after the
// deadline.
template <typename F>
Result<bool> poll_until(int milliseconds, F&& reached) {
  const int64_t deadline = now_ms() + milliseconds;
  for (int pause = kShortestPauseMs;; pause = std::min(pause * 2, kLongestPauseMs)) {
    const bool done = TRY(reached());
    if (done) return true;
    if (now_ms() >= deadline) return false;
    pause_ms(pause);
  }
}

// v2 signals every change of cgroup.events with POLLPRI: changes since the last read of the same
// open file. One that was never read is always ready, so the text must come from the descriptor
// that is polled.
Result<bool> wait_for_event(const Directory& directory,
                            std::string_view key,
                            uint64_t value,
                            int milliseconds) {
  const int dir = TRY(directory.fd());
  const int64_t deadline = now_ms() + milliseconds;
  constexpr std::size_t kMaxEvents = 4096;
  for (;;) {
    const sys::UniqueFd events = TRY(sys::openat(dir, "cgroup.events", O_RDONLY));
    const std::string text = TRY(sys::read_all(events.get(), kMaxEvents));
    if (find_flat_key(text, key) == value) return true;
    const int64_t left = deadline - now_ms();
    if (left <= 0) return false;
    pollfd entry{events.get(), POLLPRI, 0};
    if (::poll(&entry, 1, static_cast<int>(left)) < 0 && errno != EINTR)
      return Error::from_errno(errno, "poll(cgroup.events)");
  }
}

// What the host offers, where the kernel's refusal nearly always means that.
std::string offer(const plan::CgroupWrite& write) {
  const char* what = write.file == "cpuset.cpus"   ? "cpu"
                     : write.file == "cpuset.mems" ? "node"
                                                   : nullptr;
  if (what == nullptr) return {};
  constexpr std::size_t kMaxList = 65536;
  const Result<std::string> online =
      sys::read_file(fmt::format("/sys/devices/system/{}/online", what), kMaxList);
  return online ? fmt::format(" (this host has {})", trim(*online)) : std::string();
}

std::string describe(const plan::CgroupWrite& write) {
  return fmt::format(
      "{}: setting {} to {}{}", write.pointer, write.file, quote(write.value), offer(write));
}

}  // namespace

FsManager::FsManager(Record record) : record_(std::move(record)) {
  directories_.reserve(record_.locations.size());
  for (const auto& location : record_.locations) directories_.emplace_back(location);
}

const Directory* FsManager::unified() const {
  for (const auto& directory : directories_) {
    if (directory.location().v2) return &directory;
  }
  return nullptr;
}

// "cgroup" names the core files and the pressure files, which only v2 has.
const Directory* FsManager::find(std::string_view controller) const {
  if (controller == "cgroup") return unified();
  for (const auto& directory : directories_) {
    if (!directory.location().v2 && directory.has(controller)) return &directory;
  }
  return unified();
}

void FsManager::adopt(std::string scope, std::vector<Location> locations) {
  record_.scope = std::move(scope);
  record_.locations = std::move(locations);
  directories_.clear();
  for (const auto& location : record_.locations) directories_.emplace_back(location);
}

Result<> FsManager::create() { return create_directories(Directory::Existing::MustBeUnused); }

Result<Entrance> FsManager::create_entrance() {
  Entrance entrance;
  for (std::size_t i = 0; i < directories_.size(); ++i) {
    Directory& directory = directories_[i];
    if (!directory.location().v2) {
      entrance.later.push_back(TRY(directory.entrance_to_be()));
      continue;
    }
    const Result<> made = directory.create();
    if (!made) {
      (void)directory.try_remove();  // it may exist by now
      return made.error();
    }
    v2_made_ = true;
    record_.locations[i] = directory.location();
    const int dir = TRY(directory.fd());
    entrance.v2_dir = TRY(sys::duplicate(dir));
  }
  return entrance;
}

Result<> FsManager::create_directories(Directory::Existing existing) {
  for (std::size_t i = 0; i < directories_.size(); ++i) {
    if (v2_made_ && directories_[i].location().v2) continue;
    const Result<> made = directories_[i].create(existing);
    if (!made) {
      // The failed one too: it may exist by now. Directories that were there before stay.
      for (std::size_t j = 0; j <= i; ++j)
        (void)directories_[j].try_remove();  // the error that counts is the first one
      return made;
    }
    record_.locations[i] = directories_[i].location();
  }
  return {};
}

Result<> FsManager::check_usage(const plan::CgroupWrite& write) const {
  if (write.usage_file.empty()) return {};
  const Directory* directory = find(write.controller);
  const auto limit = parse_integer<uint64_t>(write.value);
  if (directory == nullptr || !limit) return {};
  const Result<std::string> text = directory->read(write.usage_file);
  const auto usage = text ? parse_integer<uint64_t>(trim(*text)) : std::nullopt;
  if (!usage || *usage <= *limit) return {};
  return Error(ErrorKind::InvalidSpec,
               fmt::format(
                   "{}: the limit {} is below the present usage of {} bytes (checkBeforeUpdate)",
                   write.pointer,
                   *limit,
                   *usage))
      .with_pointer(write.pointer);
}

Result<> FsManager::write_one(const plan::CgroupWrite& write) const {
  const Directory* directory = find(write.controller);
  if (directory == nullptr) {
    if (write.optional) return {};
    return Error(ErrorKind::Unsupported,
                 fmt::format("{}: this host has no {} controller", write.pointer, write.controller))
        .with_pointer(write.pointer);
  }
  Result<> written = directory->write(write.file, write.value);
  if (!written && written.error().errno_value() == ENOENT && !write.fallback_file.empty()) {
    written = directory->write(write.fallback_file, write.fallback_value);
  }
  if (written || (write.optional && written.error().errno_value() == ENOENT)) return {};
  if (written.error().errno_value() == ENOENT) {
    return Error(ErrorKind::Unsupported,
                 fmt::format("{}: {} is missing: the {} controller is not enabled for {}",
                             write.pointer,
                             write.file,
                             write.controller,
                             quote(directory->location().mount_point + directory->location().path)))
        .with_errno(ENOENT)
        .with_pointer(write.pointer);
  }
  return std::move(written).error().with_context(describe(write)).with_pointer(write.pointer);
}

Result<> FsManager::check_usages(const std::vector<plan::CgroupWrite>& writes) const {
  for (const auto& write : writes) TRY(check_usage(write));
  return {};
}

Result<> FsManager::apply(const std::vector<plan::CgroupWrite>& writes) {
  TRY(check_usages(writes));
  std::vector<const plan::CgroupWrite*> again;
  for (const auto& write : writes) {
    Result<> written = write_one(write);
    if (!written && write.retry &&
        (written.error().errno_value() == EINVAL || written.error().errno_value() == EBUSY)) {
      again.push_back(&write);
      continue;
    }
    if (!written) return written;
  }
  for (const auto* write : again) TRY(write_one(*write));
  return {};
}

Result<> FsManager::update(const std::vector<plan::CgroupWrite>& writes) {
  struct Old {
    const Directory* directory;
    std::string file;
    std::string value;
  };
  std::vector<Old> before;
  for (const auto& write : writes) {
    const Directory* directory = find(write.controller);
    if (directory == nullptr) continue;
    Result<std::string> value = directory->read(write.file);
    if (value) before.push_back({directory, write.file, std::string(trim(*value))});
  }
  const Result<> applied = apply(writes);
  if (applied) return applied;
  // Backwards: a limit and the limit above it are raised and lowered in opposite orders. What
  // cannot be written back is what was never changed.
  for (auto old = before.rbegin(); old != before.rend(); ++old)
    (void)old->directory->write(old->file, old->value);
  return applied;
}

Result<std::string> FsManager::read(std::string_view controller, const std::string& file) const {
  const Directory* directory = find(controller);
  if (directory == nullptr)
    return Error(ErrorKind::Unsupported, fmt::format("this host has no {} controller", controller))
        .with_errno(ENOENT);
  return directory->read(file);
}

bool FsManager::is_v2(std::string_view controller) const {
  const Directory* directory = find(controller);
  return directory != nullptr && directory->location().v2;
}

Result<> FsManager::apply_devices(const std::vector<plan::DeviceRule>& rules) {
  const Directory* directory = find("devices");
  if (directory == nullptr || rules.empty()) return {};
  return (directory->location().v2 ? apply_device_program(*directory, rules)
                                   : write_device_rules(*directory, rules))
      .context("/linux/resources/devices");
}

Result<> FsManager::give(int dir, uid_t uid, gid_t gid) {
  TRY(sys::chown_fd(dir, uid, gid));
  // The kernel lists what may be given away; older ones have these three (cgroups(7)).
  const std::string list = sys::read_file("/sys/kernel/cgroup/delegate", 4096)
                               .value_or("cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
  for (const auto name : split(list, '\n')) {
    if (name.empty()) continue;
    const Result<sys::UniqueFd> file = sys::openat(dir, std::string(name), O_PATH | O_NOFOLLOW);
    if (file) TRY(sys::chown_fd(file->get(), uid, gid));
  }
  return {};
}

Result<> FsManager::delegate(uid_t uid, gid_t gid) {
  const Directory* directory = unified();
  if (directory == nullptr) return {};
  // The root of the container's cgroup namespace, and what was made for it to manage.
  const sys::UniqueFd top = TRY(directory->open_below(subgroup_.empty() ? "." : subgroup_));
  TRY(give(top.get(), uid, gid));
  if (delegated_.empty()) return {};
  const sys::UniqueFd inner = TRY(directory->open_below(innermost()));
  return give(inner.get(), uid, gid);
}

std::string FsManager::innermost() const {
  return subgroup_.empty() || delegated_.empty() ? subgroup_ + delegated_
                                                 : subgroup_ + "/" + delegated_;
}

Result<> FsManager::nest(const std::string& subgroup, const std::string& delegated) {
  const Directory* directory = unified();
  if (directory == nullptr) return {};
  subgroup_ = subgroup;
  delegated_ = delegated;
  const int dir = TRY(directory->fd());
  const std::string whole = innermost();
  for (std::size_t end = 0; end != std::string::npos;) {
    end = whole.find('/', end + 1);
    const Result<> made = sys::mkdirat(dir, whole.substr(0, end), 0755);
    if (!made && made.error().errno_value() != EEXIST) return made;
  }
  return {};
}

Result<> FsManager::pass_controllers() {
  const Directory* directory = unified();
  if (directory == nullptr || innermost().empty()) return {};
  const std::string whole = innermost();
  for (std::size_t end = 0; end != std::string::npos; end = whole.find('/', end + 1)) {
    const std::string level = end == 0 ? "" : whole.substr(0, end) + "/";
    const std::string available = TRY(directory->read(level + "cgroup.controllers"));
    const std::string_view names = trim(available);
    if (names.empty()) continue;
    TRY(directory->write(level + "cgroup.subtree_control",
                         fmt::format("+{}", fmt::join(split(names, ' '), " +"))));
  }
  return {};
}

Result<Entrance> FsManager::entrance() const {
  Entrance entrance;
  for (const auto& directory : directories_) {
    const auto name = [&] {
      return "the cgroup " + quote(directory.location().mount_point + directory.location().path);
    };
    if (directory.location().v2) {
      const int dir = TRY(directory.fd().context(name));
      entrance.v2_dir =
          TRY(subgroup_.empty() ? sys::duplicate(dir) : directory.open_below(subgroup_));
      if (!delegated_.empty())
        entrance.v2_delegated = TRY(directory.open_for_writing(innermost() + "/cgroup.procs"));
    } else {
      entrance.tasks.push_back(TRY(directory.open_for_writing("tasks").context(name)));
    }
  }
  return entrance;
}

Result<> FsManager::add(pid_t pid) {
  for (const auto& directory : directories_)
    TRY(directory.write("cgroup.procs", std::to_string(pid)));
  return {};
}

Result<> FsManager::freeze() {
  const Directory* directory = find("freezer");
  if (directory == nullptr)
    return Error(ErrorKind::Unsupported,
                 "this host has no freezer cgroup: containers cannot be paused");
  Result<bool> frozen = false;
  if (directory->location().v2) {
    TRY(directory->write("cgroup.freeze", "1"));
    frozen = wait_for_event(*directory, "frozen", 1, kFreezeDeadlineMs);
  } else {
    // A process that forks while the freezer works can slip through; writing again catches it.
    frozen = poll_until(kFreezeDeadlineMs, [&]() -> Result<bool> {
      TRY(directory->write("freezer.state", "FROZEN"));
      const std::string state = TRY(directory->read("freezer.state"));
      return trim(state) == "FROZEN";
    });
  }
  if (frozen && *frozen) return {};
  (void)thaw();  // never left half frozen
  if (!frozen) return frozen.error();
  return Error(
      ErrorKind::Timeout,
      fmt::format(
          "the container could not be frozen within {} ms; a process may hang in the kernel",
          kFreezeDeadlineMs));
}

Result<> FsManager::thaw() {
  const Directory* directory = find("freezer");
  if (directory == nullptr) return Error(ErrorKind::Unsupported, "this host has no freezer cgroup");
  return directory->location().v2 ? directory->write("cgroup.freeze", "0")
                                  : directory->write("freezer.state", "THAWED");
}

Result<bool> FsManager::frozen() const {
  const Directory* directory = find("freezer");
  if (directory == nullptr) return false;
  const std::string state = TRY(directory->location().v2 ? directory->read("cgroup.freeze")
                                                         : directory->read("freezer.state"));
  return trim(state) == "1" || trim(state) == "FROZEN" || trim(state) == "FREEZING";
}

Result<std::vector<pid_t>> FsManager::pids() const {
  std::vector<pid_t> pids;
  // Any hierarchy has all of them. The cgroup2 one cannot be left by a v1 manager inside the
  // container.
  const Directory* directory = unified() != nullptr ? unified() : find("devices");
  if (directory == nullptr && !directories_.empty()) directory = &directories_.front();
  if (directory != nullptr) TRY(directory->collect_pids(pids));
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

Result<> FsManager::kill_everything() {
  // One write, and the kernel kills all of them, also those that fork meanwhile (Linux 5.14).
  const Directory* directory = unified();
  const bool killed = directory != nullptr && directory->write("cgroup.kill", "1");
  if (!killed) {
    (void)
        freeze();  // best effort: stops forks from escaping; the loop in remove() catches the rest
    const std::vector<pid_t> all = TRY(pids());
    for (const pid_t pid : all) (void)sys::kill(pid, SIGKILL);  // ESRCH is what is wanted
  }
  const Result<bool> is_frozen = frozen();
  if (is_frozen && *is_frozen) return thaw();
  return {};
}

Result<> FsManager::signal_all(int signal) {
  if (signal == SIGKILL) return kill_everything();
  const std::vector<pid_t> all = TRY(pids());
  for (const pid_t pid : all) {
    const Result<> sent = sys::kill(pid, signal);
    if (!sent && sent.error().errno_value() != ESRCH) return sent;
  }
  return {};
}

// Which processes are in the way and what they wait for: a D here means that the kernel has them.
Error FsManager::left_over() const {
  std::string text = "processes are left in the container's cgroups:";
  const Result<std::vector<pid_t>> all = pids();
  if (all) {
    for (const pid_t pid : *all) {
      const std::string status =
          sys::read_file(fmt::format("/proc/{}/status", pid), 65536).value_or("");
      const auto at = status.find("\nState:\t");
      const char state = at == std::string::npos ? '?' : status[at + 8];
      const std::string wchan =
          sys::read_file(fmt::format("/proc/{}/wchan", pid), 4096).value_or("?");
      text += fmt::format(" pid {} (state {}, in {})", pid, state, wchan);
    }
  }
  return Error(ErrorKind::Timeout, text);
}

Result<> FsManager::remove(int milliseconds) {
  std::vector<const Directory*> left;
  for (const auto& directory : directories_) left.push_back(&directory);
  bool killed = false;
  const Result<bool> removed = poll_until(milliseconds, [&]() -> Result<bool> {
    std::vector<const Directory*> still;
    for (const auto* directory : left) {
      const bool gone = TRY(directory->try_remove());
      if (!gone) still.push_back(directory);
    }
    left = std::move(still);
    if (left.empty()) return true;
    // Directories vanish while they are looked at; what really stays is reported after the
    // deadline.
    (void)kill_everything();
    if (!killed && unified() != nullptr)
      (void)wait_for_event(*unified(), "populated", 0, milliseconds);  // faster than asking
    killed = true;
    return false;
  });
  if (!removed) return removed.error();
  return *removed ? Result<>() : Result<>(left_over());
}

Result<OomEvents> FsManager::oom_events() const {
  const Directory* directory = find("memory");
  if (directory == nullptr) return OomEvents{};
  const bool v2 = directory->location().v2;
  const auto count =
      TRY(directory->read_key(v2 ? "memory.events" : "memory.oom_control", "oom_kill"));
  OomEvents events{count.value_or(0), false};
  if (v2) {
    const auto own = directory->read_key("memory.events", "oom");
    events.own_limit = own && own->value_or(0) > 0;
  } else {
    const auto failures = directory->read("memory.failcnt");
    events.own_limit = failures && parse_integer<uint64_t>(trim(*failures)).value_or(0) > 0;
  }
  return events;
}

}  // namespace corten::cgroup
