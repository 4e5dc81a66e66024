// The operations on one container, by the command line that runtimes share.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "case.h"

namespace spec {
namespace {

[[noreturn]] void abort_case(const std::string& what, const CommandResult& result) {
  ADD_FAILURE() << what << (result.timed_out ? " did not end in time" : " failed") << " (status "
                << result.status << "): " << result.command << "\nstderr: " << result.err;
  throw CaseAborted(what);
}

}  // namespace

Container::Container(Case& owner, Bundle& bundle, std::string id)
    : owner_(owner), bundle_(bundle), id_(std::move(id)) {}

CommandResult Container::create() {
  bundle_.write();
  return create_as_written();
}

CommandResult Container::create_as_written() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  output_pipe_ = Fd(ends[0]);
  const Fd write_end(ends[1]);
  ::fcntl(output_pipe_.get(), F_SETFL, O_NONBLOCK);
  output_.clear();
  exit_status_.reset();
  pid_ = -1;
  std::vector<std::string> arguments = {"create", "--bundle", bundle_.directory()};
  arguments.insert(arguments.end(), create_arguments.begin(), create_arguments.end());
  arguments.push_back(id_);
  CommandOptions options;
  options.stdout_fd = write_end.get();
  options.before_exec = before_create;
  return finish_create(owner_.runtime(arguments, options));
}

CommandResult Container::finish_create(CommandResult result) {
  if (!result.ok()) return result;
  exists_ = true;
  const CommandResult query = state();
  const Json document = Json::parse(query.out, nullptr, false);
  if (query.ok() && document.is_object() && document.value("pid", Json(0)).is_number_integer()) {
    pid_ = document.value("pid", 0);
    if (pid_ > 0) pidfd_ = open_pidfd(pid_);
  }
  return result;
}

CommandResult Container::start() { return owner_.runtime({"start", id_}); }
CommandResult Container::state() { return owner_.runtime({"state", id_}); }
CommandResult Container::kill(const std::string& signal) {
  return owner_.runtime({"kill", id_, signal});
}

CommandResult Container::remove(bool force) {
  std::vector<std::string> arguments = {"delete"};
  if (force) arguments.emplace_back("--force");
  arguments.push_back(id_);
  CommandResult result = owner_.runtime(arguments);
  if (result.ok()) exists_ = false;
  return result;
}

void Container::must_create() {
  if (const CommandResult result = create(); !result.ok()) abort_case("create", result);
}

void Container::must_start() {
  if (const CommandResult result = start(); !result.ok()) abort_case("start", result);
}

void Container::must_remove() {
  if (const CommandResult result = remove(); !result.ok()) abort_case("delete", result);
}

Json Container::must_state() {
  const CommandResult result = state();
  if (!result.ok()) abort_case("state", result);
  Json document = Json::parse(result.out, nullptr, false);
  if (document.is_object()) return document;
  ADD_FAILURE() << "state did not print a JSON object: " << result.out;
  throw CaseAborted("state");
}

void Container::must_run_until_ready() {
  must_create();
  must_start();
  if (wait_output("ready\n")) return;
  ADD_FAILURE() << "the container's program never wrote \"ready\"; it wrote: " << output_;
  throw CaseAborted("ready");
}

std::string Container::status() {
  const CommandResult result = state();
  if (!result.ok()) return {};
  const Json document = Json::parse(result.out, nullptr, false);
  return document.is_object() ? document.value("status", "") : "";
}

std::optional<int> Container::wait_exit() {
  if (exit_status_ || !pidfd_.valid()) return exit_status_;
  // The pipe has to be emptied while the process runs, or a long report would block it.
  const auto deadline = std::chrono::steady_clock::now() + settings().timeout;
  while (!wait_readable(pidfd_.get(), Milliseconds(0))) {
    if (std::chrono::steady_clock::now() > deadline) return std::nullopt;
    if (output_pipe_.valid()) {
      wait_readable(output_pipe_.get(), Milliseconds(50));
      drain();
    } else {
      wait_readable(pidfd_.get(), Milliseconds(50));
    }
  }
  drain();
  int status = 0;
  if (::waitpid(pid_, &status, 0) == pid_) exit_status_ = shell_status(status);
  return exit_status_;
}

void Container::drain() {
  char buffer[8192];
  for (;;) {
    const ssize_t got = ::read(output_pipe_.get(), buffer, sizeof buffer);
    if (got > 0) {
      output_.append(buffer, static_cast<size_t>(got));
    } else {
      if (got == 0) output_pipe_.reset();
      return;
    }
  }
}

const std::string& Container::output() {
  if (output_pipe_.valid()) drain();
  return output_;
}

bool Container::wait_output(const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + settings().timeout;
  while (output().find(text) == std::string::npos) {
    if (!output_pipe_.valid() || std::chrono::steady_clock::now() > deadline) return false;
    wait_readable(output_pipe_.get(), Milliseconds(200));
  }
  return true;
}

Json Container::json_output() {
  const std::string& text = output();
  size_t end = text.size();
  while (end > 0) {
    const size_t newline = text.rfind('\n', end - 1);
    const size_t begin = newline == std::string::npos ? 0 : newline + 1;
    const std::string line = text.substr(begin, end - begin);
    if (!line.empty() && (line[0] == '{' || line[0] == '[')) {
      Json document = Json::parse(line, nullptr, false);
      if (!document.is_discarded()) return document;
    }
    if (begin == 0) break;
    end = begin - 1;
  }
  ADD_FAILURE() << "the container's program wrote no JSON but: \"" << text << '"';
  throw CaseAborted("output");
}

std::string Container::clean_up() {
  if (pid_ > 0 && !exit_status_) {
    // The descriptor refers to the process that create named, even if the number has been reused
    // since.
    if (pidfd_.valid() && !wait_readable(pidfd_.get(), Milliseconds(0))) ::kill(pid_, SIGKILL);
    wait_exit();
  }
  if (!exists_) return {};
  const CommandResult result = remove();
  // A container whose start failed may have been destroyed by that.
  if (result.ok() || status().empty()) return {};
  remove(true);
  return "delete of the stopped container '" + id_ + "' failed: " + result.err;
}

}  // namespace spec
