struct named {
    named(int x) : x(x) {}
    int x;
};

awaitable<void> good(socket& s, std::string name) {
    auto each_one = [name](int n) { print(name, n); };
    co_await each(s, std::move(each_one));
    co_await each(s, [](int n) { print(n); });
    options o{.x = 1};
    co_await send(s, std::move(o));
    spawn(s, [name]() -> awaitable<void> { co_await send(name); });
    spawn(s, [this, name]() -> awaitable<void> {
        auto n = co_await read(name);
        if (n > 3) {
            co_await send(name);
        }
        items[n] = co_await read(name);
    });
    auto timers = table[name];
    co_await send(s, named{3});
    [[maybe_unused]] auto r = co_await read(s);
    auto [ec, n] = co_await read(s);
    if (auto ok = co_await read(s)) {
        later([name] { use(name); });
    }
    while (true) {
        later([name] { use(name); });
        co_await pause(s);
    }
}
