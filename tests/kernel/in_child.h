// A body that changes its own process for good runs in a child that is thrown away.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include <gtest/gtest.h>

#include <corten/base/result.h>

namespace corten::testing {

// Runs `body` in a forked child; its error, if any, becomes the test's.
template <typename F>
::testing::AssertionResult in_child(F&& body) {
  int ends[2];
  if (::pipe(ends) != 0) return ::testing::AssertionFailure() << "pipe";
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    const Result<> done = body();
    if (!done) {
      const std::string& text = done.error().message();
      [[maybe_unused]] const auto written = ::write(ends[1], text.data(), text.size());
    }
    _exit(done ? 0 : 1);
  }
  ::close(ends[1]);
  char text[4096];
  const ssize_t length = ::read(ends[0], text, sizeof text);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << (length > 0 ? std::string(text, static_cast<std::size_t>(length))
                        : "the child died, status " + std::to_string(status));
}

// An expectation inside such a body.
inline Result<> require(bool condition, const char* what) {
  if (condition) return {};
  return Error(ErrorKind::Internal, std::string("not so: ") + what);
}

}  // namespace corten::testing

#define IN_CHILD_TEST(suite, name)                                   \
  static ::corten::Result<> suite##_##name##_body();                 \
  TEST(suite, name) {                                                \
    if (::geteuid() != 0) GTEST_SKIP() << "root is needed";          \
    EXPECT_TRUE(::corten::testing::in_child(suite##_##name##_body)); \
  }                                                                  \
  static ::corten::Result<> suite##_##name##_body()
