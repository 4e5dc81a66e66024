// Matchers that print the error when a Result is not what the test expected.
#pragma once

#include <string_view>

#include <gtest/gtest.h>

#include <corten/base/result.h>

namespace corten::testing {

template <typename T>
::testing::AssertionResult is_ok(const Result<T>& result) {
  if (result.has_value()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "error: " << result.error().message();
}

template <typename T>
::testing::AssertionResult is_error(const Result<T>& result,
                                    ErrorKind kind,
                                    std::string_view pointer = {}) {
  if (result.has_value()) return ::testing::AssertionFailure() << "no error";
  const Error& error = result.error();
  if (error.kind() != kind) {
    return ::testing::AssertionFailure()
           << "kind " << static_cast<int>(error.kind()) << ": " << error.message();
  }
  if (!pointer.empty() && error.pointer() != pointer) {
    return ::testing::AssertionFailure()
           << "pointer '" << error.pointer() << "': " << error.message();
  }
  return ::testing::AssertionSuccess();
}

}  // namespace corten::testing

#define ASSERT_OK(expression) ASSERT_TRUE(::corten::testing::is_ok(expression))
#define EXPECT_OK(expression) EXPECT_TRUE(::corten::testing::is_ok(expression))
#define EXPECT_ERROR(expression, ...) \
  EXPECT_TRUE(::corten::testing::is_error(expression, __VA_ARGS__))

#define CORTEN_TEST_CONCAT_(a, b) a##b
#define CORTEN_TEST_CONCAT(a, b) CORTEN_TEST_CONCAT_(a, b)
#define ASSERT_OK_AND_ASSIGN(declaration, expression) \
  ASSERT_OK_AND_ASSIGN_(CORTEN_TEST_CONCAT(result_, __LINE__), declaration, expression)
#define ASSERT_OK_AND_ASSIGN_(temporary, declaration, expression) \
  auto temporary = (expression);                                  \
  ASSERT_TRUE(::corten::testing::is_ok(temporary));               \
  declaration = std::move(temporary).value()
