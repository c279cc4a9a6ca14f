struct point {
    int x;
    std::string name;
};

awaitable<void> bad(socket& s, std::string name) {
    co_await each(s, [name](int n) { print(name, n); }); // trap B
    auto r = co_await send(s, {.x = 1, .name = name}); // trap B
    co_await send(s, point{1, name}); // trap B
    use([name] { return name; }, co_await read(s)); // trap B
    if (auto ok = co_await each(s, [&] { return name; })) // trap B
        stop();
    co_return co_await each(s, [=]() mutable { name.clear(); }); // trap B
    auto group = co_await (with(s, [this] { close(); }) || expire(3)); // trap B
    apply([name](int n) { print(name); return n; }, 1, co_await read(s)); // trap B
}
