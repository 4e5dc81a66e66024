// The suite's entry point: command line, private surroundings, and one JSON line of result per
// case.
//
// The process gives itself a private mount and network namespace and becomes a subreaper before the
// first case, so that nothing it or a runtime does to mounts and interfaces reaches the machine,
// and so that every process a runtime leaves behind becomes a child of the suite and is seen.
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "case.h"

namespace spec {
namespace fs = std::filesystem;
namespace {

struct CommandLine {
  std::string cgroup_view = "host";
  std::string results;
  bool list = false;
};

const char kUsage[] =
    "usage: spec_tests --runtime=PATH --checker=PATH [--runtime-argument=ARG]... "
    "[--work-directory=DIR]\n"
    "                  [--cgroup-view=host|v1|v2] [--timeout-ms=N] [--results=FILE] [--list-cases] "
    "[--gtest_...]\n";

struct CurrentCase {
  const CaseInfo* info = nullptr;
  std::string log;
  std::string config;
  std::string skip_reason;
};
CurrentCase current;

class CaseTest : public testing::Test {
 public:
  explicit CaseTest(const CaseInfo& info) : info_(info) {}

  void TestBody() override {
    current = CurrentCase{&info_, "", "", ""};
    Case conformance_case(info_.suite + "." + info_.name);
    try {
      info_.body(conformance_case);
    } catch (const CaseAborted&) {
      // The failure has been recorded where it happened.
    } catch (const std::exception& error) {
      ADD_FAILURE() << "the case ended by an exception: " << error.what();
    }
    conformance_case.finish_case();
    current.log = conformance_case.log();
    current.skip_reason = conformance_case.skip_reason();
    if (HasFailure()) {
      current.config = read_file(conformance_case.bundle.directory() + "/config.json");
      std::cout << "--- commands of " << info_.suite << '.' << info_.name << '\n'
                << current.log << "---\n";
    }
  }

 private:
  const CaseInfo& info_;
};

// Writes one JSON line as soon as a case has ended, so that a crash loses one case only.
class ResultWriter : public testing::EmptyTestEventListener {
 public:
  explicit ResultWriter(const std::string& path) : out_(path, std::ios::app) {}

  void OnTestEnd(const testing::TestInfo& test) override {
    if (current.info == nullptr) return;
    const testing::TestResult& result = *test.result();
    Json line = {{"suite", test.test_suite_name()},
                 {"name", test.name()},
                 {"requirements", current.info->requirements},
                 {"expected", current.info->expected},
                 {"status",
                  result.Failed()    ? "failed"
                  : result.Skipped() ? "skipped"
                                     : "passed"},
                 {"milliseconds", result.elapsed_time()}};
    if (!current.skip_reason.empty()) line["skipReason"] = current.skip_reason;
    Json failures = Json::array();
    for (int i = 0; i < result.total_part_count(); ++i) {
      const testing::TestPartResult& part = result.GetTestPartResult(i);
      if (part.failed()) failures.push_back(part.message());
    }
    if (result.Failed()) {
      line["failures"] = failures;
      line["log"] = current.log;
      line["config"] = current.config;
    }
    out_ << line.dump(-1, ' ', true, Json::error_handler_t::replace) << std::endl;
  }

 private:
  std::ofstream out_;
};

bool take(const std::string& argument, const std::string& name, std::string& value) {
  const std::string prefix = "--" + name + "=";
  if (!argument.starts_with(prefix)) return false;
  value = argument.substr(prefix.size());
  return true;
}

bool parse_command_line(int argc, char** argv, CommandLine& line) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    std::string value;
    if (take(argument, "runtime", settings().runtime) ||
        take(argument, "checker", settings().checker) ||
        take(argument, "work-directory", settings().work_directory) ||
        take(argument, "results", line.results) ||
        take(argument, "cgroup-view", line.cgroup_view)) {
      continue;
    }
    if (take(argument, "runtime-argument", value)) {
      settings().arguments.push_back(value);
    } else if (take(argument, "timeout-ms", value)) {
      settings().timeout = Milliseconds(std::stol(value));
    } else if (argument == "--list-cases") {
      line.list = true;
    } else {
      std::cerr << "spec_tests: unknown argument '" << argument << "'\n" << kUsage;
      return false;
    }
  }
  if (line.list) return true;
  if (settings().runtime.empty() || settings().checker.empty()) {
    std::cerr << kUsage;
    return false;
  }
  return true;
}

void list_cases() {
  for (const CaseInfo& info : all_cases()) {
    std::cout << Json{{"suite", info.suite},
                      {"name", info.name},
                      {"requirements", info.requirements},
                      {"expected", info.expected},
                      {"file", fs::path(info.file).filename().string()},
                      {"line", info.line}}
                     .dump()
              << '\n';
  }
}

void check(bool ok, const std::string& what) {
  if (!ok) throw std::runtime_error(what + ": " + std::strerror(errno));
}

void bring_loopback_up() {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  ::ioctl(socket.get(), SIOCSIFFLAGS, &request);
}

// v1 hides the unified hierarchy of a hybrid host, v2 shows nothing but it: several runtimes refuse
// the mixture.
void arrange_cgroup_view(const std::string& view) {
  if (view == "v1") {
    for (const MountEntry& mount : own_mounts()) {
      if (mount.fstype == "cgroup2")
        check(::umount2(mount.target.c_str(), MNT_DETACH) == 0, "unmounting cgroup2");
    }
  } else if (view == "v2" && !read_cgroup_view().pure_v2()) {
    check(
        ::mount(
            "cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0,
        "mounting cgroup2");
  }
}

// Some runtimes give the null device on their standard streams to the user of the container: that
// must not be the machine's own.
void shield_null_device() {
  const std::string place = settings().work_directory + "/null-device";
  const std::string node = place + "/null";
  fs::create_directories(place);
  check(::mount("tmpfs", place.c_str(), "tmpfs", 0, "size=4k") == 0, "a place for a null device");
  check(::mknod(node.c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0 &&
            ::chmod(node.c_str(), 0666) == 0 &&
            ::mount(node.c_str(), "/dev/null", nullptr, MS_BIND, nullptr) == 0,
        "a null device of the suite's own");
  ::umount2(place.c_str(), MNT_DETACH);
  fs::remove(place);
}

void arrange_surroundings(const CommandLine& line) {
  check(::unshare(CLONE_NEWNS | CLONE_NEWNET) == 0, "unshare (the suite needs root)");
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0,
        "making the mounts private");
  check(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0, "becoming a subreaper");
  // A reader of the output that goes away must not keep the suite from cleaning up.
  ::signal(SIGPIPE, SIG_IGN);
  arrange_cgroup_view(line.cgroup_view);
  bring_loopback_up();
  ::umask(022);
  if (settings().work_directory.empty())
    settings().work_directory = "/tmp/oci-spec-" + std::to_string(::getpid());
  fs::create_directories(settings().work_directory);
  ::chmod(settings().work_directory.c_str(), 0755);
  shield_null_device();
  // The bundles hard-link the checker, so it has to be on their file system.
  const std::string local = settings().work_directory + "/checker";
  fs::copy_file(settings().checker, local, fs::copy_options::overwrite_existing);
  ::chmod(local.c_str(), 0755);
  settings().checker = local;
}

void register_all() {
  for (const CaseInfo& info : all_cases()) {
    testing::RegisterTest(info.suite.c_str(),
                          info.name.c_str(),
                          nullptr,
                          nullptr,
                          info.file,
                          info.line,
                          [&info]() -> testing::Test* { return new CaseTest(info); });
  }
}

int run(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  CommandLine line;
  if (!parse_command_line(argc, argv, line)) return 2;
  if (line.list) {
    list_cases();
    return 0;
  }
  arrange_surroundings(line);
  register_all();
  if (!line.results.empty()) {
    testing::UnitTest::GetInstance()->listeners().Append(new ResultWriter(line.results));
  }
  const int status = RUN_ALL_TESTS();
  std::error_code error;
  fs::remove_all(settings().work_directory, error);
  return status;
}

}  // namespace
}  // namespace spec

int main(int argc, char** argv) {
  try {
    return spec::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "spec_tests: " << error.what() << '\n';
    return 2;
  }
}
