awaitable<void> good(socket& s) {
    auto r = co_await ready(s);
    if (r)
        stop();
    if (auto ok = co_await ready(s))
        stop();
    if (const auto [ec, n] = co_await read(s); ec)
        stop();
    if (result<std::size_t> n = co_await read(s); !n)
        stop();
    for (auto i = co_await first(s); i < 3; ++i)
        stop();
    for (auto& x : co_await all(s))
        use(x);
    // if (co_await ready(s)) is the trap
    log("if (co_await ready(s))");
    if (run([&]() -> awaitable<void> { co_await ready(s); }))
        stop();
    co_return;
}
