// Host names to addresses with a deadline that holds. getaddrinfo can't be interrupted, so lookups
// run on threads of their own; a waiter that gave up leaves its lookup behind. Thread: any shard.
// Fails with: timed_out, too_many (lookups under way in the whole process), Asio's resolver codes.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <string>
#include <vector>

namespace rivulet {

// Address literals cost no lookup.
awaitable<result<std::vector<tcp::endpoint>>>
resolve(std::string host, std::uint16_t port, time_point until);

} // namespace rivulet
