import java.io.*;
import java.net.Socket;
import java.nio.file.*;

public class ChatClient {
    static volatile boolean leaving = false;

    static void receive(DataInputStream in, String user) {
        try {
            while (true) {
                if (in.readUTF().equals("TEXT")) {
                    System.out.println(in.readUTF());
                    continue;
                }
                String name = in.readUTF();
                byte[] content = new byte[(int) in.readLong()];
                in.readFully(content);
                Path target = Path.of(user, name);
                Files.createDirectories(target.getParent());
                Files.write(target, content);
                System.out.println("Downloaded " + target + ": " + content.length + " bytes");
            }
        } catch (IOException e) {
            System.exit(0);
        }
    }

    public static void main(String[] args) throws IOException {
        String user = args[2];
        Socket socket = null;
        try {
            socket = new Socket(args[0], Integer.parseInt(args[1]));
        } catch (IOException e) {
            System.out.println("The server cannot be reached: " + e.getMessage());
            System.exit(1);
        }
        DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
        DataOutputStream out = new DataOutputStream(socket.getOutputStream());
        BufferedReader keys = new BufferedReader(new InputStreamReader(System.in));
        out.writeUTF(user);
        Thread receiver = new Thread(() -> receive(in, user));
        receiver.setDaemon(true);
        receiver.start();
        System.out.println("1 to all, 2 to one, 3 files, 4 get a file, 5 leave");
        String choice;
        while ((choice = keys.readLine()) != null && !choice.equals("5")) {
            switch (choice) {
                case "1" -> { out.writeUTF("ALL"); out.writeUTF(keys.readLine()); }
                case "2" -> { out.writeUTF("ONE"); out.writeUTF(keys.readLine()); out.writeUTF(keys.readLine()); }
                case "3" -> out.writeUTF("LIST");
                case "4" -> { out.writeUTF("GET"); out.writeUTF(keys.readLine()); }
                default -> System.out.println("1, 2, 3, 4 or 5, please");
            }
        }
        leaving = true;
        socket.close();
    }
}
