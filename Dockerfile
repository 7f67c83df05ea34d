# The daemon alone, without a shell, as nobody in particular. Build it at the root of the sources: docker build -t pentad .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin pentad && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/pentad /usr/bin/pentad
COPY --from=build --chown=nonroot:nonroot /data /data
VOLUME /data
EXPOSE 6379
# Other containers are other hosts: protected mode refuses them until there is a password (PENTAD_REQUIREPASS_FILE).
ENTRYPOINT ["/usr/bin/pentad"]
CMD ["--listen", "resp://0.0.0.0:6379", "--data", "/data"]
