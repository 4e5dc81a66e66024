// A conformance case: one test that drives the runtime, with the requirement ids that it proves.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bundle.h"
#include "host.h"
#include "process.h"

namespace spec {

// What the command line of the suite decides; the same for every case.
struct Settings {
  std::string runtime;                 // the program to judge
  std::vector<std::string> arguments;  // global arguments that go before the command
  std::string checker;
  std::string work_directory;
  Milliseconds timeout{15000};
};
Settings& settings();

struct CommandResult {
  std::string command;  // as one would type it
  int status = -1;      // as a shell shows it
  bool timed_out = false;
  std::string out;
  std::string err;
  bool ok() const { return status == 0 && !timed_out; }
};

// Thrown after a failure has been recorded, to leave the case at once.
struct CaseAborted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct CommandOptions {
  int stdout_fd = -1;  // -1: captured in CommandResult::out
  std::string cwd;
  std::function<void()> before_exec;
};

class Case;

// One container under a runtime's care. Members without "must" report what happened and judge
// nothing.
class Container {
 public:
  Container(Case& owner, Bundle& bundle, std::string id);

  const std::string& id() const { return id_; }
  Bundle& bundle() { return bundle_; }
  pid_t pid() const { return pid_; }

  // Settings of the next create.
  std::vector<std::string> create_arguments;
  std::function<void()> before_create;

  // Writes config.json and creates. On success the pid is known.
  CommandResult create();
  // As create, with the config.json that is already in the bundle.
  CommandResult create_as_written();
  CommandResult start();
  CommandResult state();
  CommandResult kill(const std::string& signal);
  CommandResult remove(bool force = false);

  // These record a failure and throw CaseAborted when the command fails.
  void must_create();
  void must_start();
  void must_remove();
  Json must_state();
  // create, start and wait until the checker has written "ready".
  void must_run_until_ready();

  // The status of the container; empty when state fails, as it does for a container that does not
  // exist.
  std::string status();
  // Waits for the end of the container process. Its exit status as a shell shows it; nothing when
  // it still runs or when it is not a descendant of the suite.
  std::optional<int> wait_exit();
  // What the container has written so far; wait_output waits until the text appears.
  const std::string& output();
  bool wait_output(const std::string& text);
  // The last JSON line of the output.
  Json json_output();

  // Leaves nothing behind, by plain means first. Returns what could not be undone as the
  // specification says.
  std::string clean_up();

 private:
  friend class Case;
  void drain();
  CommandResult finish_create(CommandResult result);

  Case& owner_;
  Bundle& bundle_;
  std::string id_;
  pid_t pid_ = -1;
  Fd pidfd_;
  Fd output_pipe_;
  std::string output_;
  std::optional<int> exit_status_;
  bool exists_ = false;
};

class Case {
 public:
  explicit Case(std::string name);
  ~Case();
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  // The bundle and the container that nearly every case is about.
  Bundle bundle;
  Container container;

  const std::string& directory() const { return directory_; }
  std::string root() const { return directory_ + "/state"; }
  // A path for a UNIX socket, whose address has room for about 100 bytes only.
  std::string socket_path(const std::string& name) const {
    return settings().work_directory + "/" + name;
  }
  std::string cgroups_path(const std::string& leaf = "main") const {
    return cgroup_parent_ + "/" + leaf;
  }
  const CgroupView& cgroups() const { return view_; }
  // File of the container's cgroup: the v1 name under the controller's hierarchy or the v2 name,
  // whichever this host uses for that controller. Empty when it has neither.
  std::string cgroup_file(const std::string& controller,
                          const std::string& v1_name,
                          const std::string& v2_name) const;

  // Further bundles and containers; they are cleaned up like the first.
  Bundle& new_bundle(const std::string& name);
  Container& new_container(Bundle& from, const std::string& id);

  // Runs the container to its end and returns what the checker wrote. Fails the case when any step
  // fails.
  Json run();
  // process.args = "checker report", then run.
  Json report();
  // process.args = "checker do ...", then run: one result per action.
  Json perform(const std::vector<std::vector<std::string>>& actions);

  // Expects that the configuration is refused: create fails and leaves no container.
  // May::FailAtStart accepts a failure of start too, which the specification allows for properties
  // of process.
  enum class Refusal { AtCreate, AtCreateOrStart };
  void expect_refused(const std::string& why, Refusal when = Refusal::AtCreate);
  void expect_refused(Container& subject, const std::string& why, Refusal when = Refusal::AtCreate);

  // A mount in the suite's own (private) mount namespace, undone at the end of the case.
  void host_mount(const std::string& source,
                  const std::string& target,
                  const std::string& type,
                  unsigned long flags,
                  const std::string& data = "");
  // Something to be done at the end, before leftovers are looked for.
  void at_end(std::function<void()> action) { at_end_.push_back(std::move(action)); }

  // Hooks: adds one hook of a kind that runs the checker and writes to the case's hook log. extra:
  // see checker/hook.h.
  void add_hook(const std::string& kind,
                const std::string& name,
                std::vector<std::string> extra = {});
  std::vector<Json> hook_log() const;
  std::vector<std::string> hook_names() const;

  // Runs any command of the runtime: the global arguments are added.
  CommandResult runtime(const std::vector<std::string>& arguments,
                        const CommandOptions& options = {});
  Process start_runtime(const std::vector<std::string>& arguments,
                        const CommandOptions& options = {});
  CommandResult finish(Process process, const std::vector<std::string>& arguments);
  std::vector<std::string> command_line(const std::vector<std::string>& arguments) const;

  // Everything that was run, for the report of a failure.
  const std::string& log() const { return log_; }
  void note(const std::string& text) { log_ += text + "\n"; }
  const std::string& skip_reason() const { return skip_reason_; }
  void set_skip_reason(const std::string& reason) { skip_reason_ = reason; }

  // Ends the case: cleans up and records leftovers as failures of RT-024 and RT-050.
  void finish_case();

 private:
  std::string find_leftovers();
  std::string find_lost_mounts() const;
  std::string leftover_processes();

  std::string directory_;
  std::string cgroup_parent_;
  CgroupView view_;
  std::vector<MountEntry> mounts_before_;
  std::vector<std::string> interfaces_before_;
  std::list<Bundle> bundles_;
  std::list<Container> containers_;
  std::vector<std::function<void()>> at_end_;
  std::vector<std::string> host_mounts_;
  std::string log_;
  std::string skip_reason_;
  int commands_ = 0;
};

struct CaseInfo {
  std::string suite;
  std::string name;
  std::string requirements;  // ids, separated by spaces
  std::string expected;      // one sentence
  std::function<void(Case&)> body;
  const char* file = "";
  int line = 0;
};

std::vector<CaseInfo>& all_cases();
bool register_case(CaseInfo info);

// Gathers the MountEntry of a container path from a report; the topmost mount counts.
std::optional<MountEntry> mount_at(const Json& report, const std::string& target);
bool contains(const Json& array, const Json& value);

}  // namespace spec

// SPEC_CASE(Suite, Name, "RT-001 RT-002", "what is expected, in one sentence") { ... uses Case& c
// ... }
#define SPEC_CASE(suite, name, requirements, expected)                                    \
  static void suite##_##name(::spec::Case& c);                                            \
  [[maybe_unused]] static const bool suite##_##name##_registered = ::spec::register_case( \
      {#suite, #name, requirements, expected, suite##_##name, __FILE__, __LINE__});       \
  static void suite##_##name([[maybe_unused]] ::spec::Case& c)

// Skips the case with a reason when the host lacks what it needs.
#define SPEC_NEED(condition, reason) \
  do {                               \
    if (!(condition)) {              \
      c.set_skip_reason(reason);     \
      GTEST_SKIP() << (reason);      \
    }                                \
  } while (false)
