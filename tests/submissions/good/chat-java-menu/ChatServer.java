import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;

public class ChatServer {
    static final Map<String, Participant> everybody = new ConcurrentHashMap<>();
    static final File shared = new File(System.getenv().getOrDefault("SERVER_SHARED_FILES", "SharedFiles"));

    public static void main(String[] args) throws IOException {
        ServerSocket server = new ServerSocket(Integer.parseInt(args[0]));
        System.out.println("Chat server ready");
        while (true) {
            Socket s = server.accept();
            System.out.println("Client address " + s.getInetAddress().getHostAddress() + " port " + s.getPort());
            new Participant(s).start();
        }
    }

    static class Participant extends Thread {
        final DataInputStream in;
        final DataOutputStream out;
        String user = "?";

        Participant(Socket s) throws IOException {
            in = new DataInputStream(new BufferedInputStream(s.getInputStream()));
            out = new DataOutputStream(s.getOutputStream());
        }

        synchronized void text(String line) {
            try {
                out.writeUTF("TEXT");
                out.writeUTF(line);
                out.flush();
            } catch (IOException e) {
                System.out.println("cannot write to " + user);
            }
        }

        synchronized void file(String name) throws IOException {
            Path path = shared.toPath().resolve(Path.of(name).getFileName());
            if (!Files.isRegularFile(path)) {
                text("No such file");
                return;
            }
            byte[] content = Files.readAllBytes(path);
            out.writeUTF("FILE");
            out.writeUTF(path.getFileName().toString());
            out.writeLong(content.length);
            out.write(content);
            out.flush();
        }

        void toOthers(String line) {
            for (Participant p : everybody.values()) {
                if (p != this) {
                    p.text(line);
                }
            }
        }

        void files() {
            String[] names = shared.list();
            text("Number of files: " + names.length);
            for (String name : names) {
                text(" * " + name);
            }
        }

        public void run() {
            try {
                user = in.readUTF();
                everybody.put(user, this);
                text("Welcome " + user + ", nice to see you");
                toOthers(user + " entered the room");
                while (true) {
                    String command = in.readUTF();
                    if (command.equals("ALL")) {
                        toOthers(user + " to all: " + in.readUTF());
                    } else if (command.equals("ONE")) {
                        Participant p = everybody.get(in.readUTF());
                        String words = in.readUTF();
                        if (p != null) {
                            p.text(user + " to you: " + words);
                        } else {
                            text("Nobody of that name");
                        }
                    } else if (command.equals("LIST")) {
                        files();
                    } else if (command.equals("GET")) {
                        file(in.readUTF());
                    }
                }
            } catch (IOException e) {
                System.out.println(user + " is no longer connected");
            }
            everybody.remove(user);
            toOthers(user + " left the room");
        }
    }
}
