import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/**
 * chat client: sends what you type, and shows what others say.
 *
 * <pre>javac Client.java and java Client USERNAME HOST PORT</pre>
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
public class Client {
    /** Stands where your code is missing. What it returns here, yours must give. */
    static <T> T gap(int number, String what, Object... uses) {
        System.err.println("gap " + number + " is open: " + what);
        System.exit(1);
        return null;
    }

    /** A line of bytes: a BufferedReader would swallow the file that follows. */
    static String readLine(InputStream in) throws IOException {
        java.io.ByteArrayOutputStream line = new java.io.ByteArrayOutputStream();
        for (int next; (next = in.read()) != '\n'; line.write(next)) {
            if (next < 0) {
                return null;
            }
        }
        return line.toString(StandardCharsets.UTF_8);
    }

    /** A download: exactly so many bytes, into a folder named after the user. */
    static void saveFile(InputStream in, String name, long size, String user) throws IOException {
        File path = new File(user, new File(name).getName());
        path.getParentFile().mkdirs();
        gap(4, "read exactly size bytes and write them to the path", in, path, size);
        System.out.println("saved " + path + ", " + size + " bytes");
    }

    /** The second thread: shows what comes while you type. */
    static void receive(InputStream in, String user) {
        try {
            for (String line; (line = readLine(in)) != null; ) {
                boolean isFile = gap(3, "is this line the beginning of a file?", line);
                if (isFile) {
                    String name = gap(5, "the file's name, from that line", line);
                    long size = gap(6, "the file's size, from that line", line);
                    saveFile(in, name, size, user);
                } else {
                    System.out.println(line);
                }
            }
        } catch (IOException lost) {
            System.err.println(lost.getMessage());
        }
        System.err.println("error: the server has closed the connection");
        System.exit(1);
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 3) {
            System.err.println("usage: java Client USERNAME HOST PORT");
            System.exit(2);
        }
        String user = args[0], host = args[1];
        int port = Integer.parseInt(args[2]);

        Socket socket = gap(1, "a Socket connected to the server; if there is none, say which was tried, exit 1", host, port);
        gap(2, "send the name, as a line", socket, user);
        InputStream in = socket.getInputStream();
        Thread receiver = new Thread(() -> receive(in, user));
        receiver.setDaemon(true);
        receiver.start();

        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = input.readLine()) != null; ) {
            socket.getOutputStream().write((line + "\n").getBytes(StandardCharsets.UTF_8));
            if (line.equals("/quit")) {
                break;
            }
        }
        System.exit(0);
    }
}
